/* A disk that loses whatever was not synced.
 *
 * Preloaded into the writer, it answers fsync and fdatasync for files below POWERCUT_DIR by copying
 * the file as it is to POWERCUT_SHADOW; syncing a directory carries out there what was renamed in
 * it, and removes what is gone from it. After a kill the shadow is what a power cut would have left:
 * each file as of its last sync, and nothing that was only written. The real sync is left out, since
 * nobody looks at the real files again.
 *
 * A new file's name counts as synced with its content, as ext4, XFS and btrfs do it; its new name
 * after a rename does not, before its directory is synced.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char nothing[65536];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* A shadow that cannot be written would make every result worthless. */
static void give_up(const char *what) {
    perror(what);
    abort();
}

/* Renames that wait for their directory's sync; the paths are relative to POWERCUT_DIR. */
static struct rename_ {
    char from[512], to[512];
    struct rename_ *next;
} *renames;

static void make_parents(const char *shadow, const char *name) {
    char path[4096];
    for (const char *end = strchr(name, '/'); end != NULL; end = strchr(end + 1, '/')) {
        snprintf(path, sizeof path, "%s/%.*s", shadow, (int)(end - name), name);
        mkdir(path, 0700);
    }
}

/* Whether the file lies in the directory itself. */
static int lies_in(const char *name, const char *dir) {
    size_t length = strlen(dir);
    if (length == 0) return strchr(name, '/') == NULL;
    return strncmp(name, dir, length) == 0 && name[length] == '/' &&
           strchr(name + length + 1, '/') == NULL;
}

static void copy(int synced, const char *shadow, const char *name) {
    char draft[4096], final[4096], buffer[65536];
    snprintf(draft, sizeof draft, "/proc/self/fd/%d", synced);
    /* It may have been opened for writing alone. */
    int from = open(draft, O_RDONLY | O_CLOEXEC);
    if (from < 0) give_up("the file that is synced");
    snprintf(draft, sizeof draft, "%s/.draft", shadow);
    snprintf(final, sizeof final, "%s/%s", shadow, name);
    make_parents(shadow, name);
    /* Its content is newer than the one that would get this name. */
    for (struct rename_ **at = &renames; *at != NULL;) {
        struct rename_ *one = *at;
        if (strcmp(one->to, name) == 0) {
            *at = one->next;
            free(one);
        } else {
            at = &one->next;
        }
    }
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) give_up("shadow file");
    for (off_t at = 0;;) {
        ssize_t got = pread(from, buffer, sizeof buffer, at);
        if (got < 0) give_up("read for the shadow");
        if (got == 0) break;
        /* Room that was taken ahead stays a hole. */
        if (memcmp(buffer, nothing, got) != 0 && pwrite(to, buffer, got, at) != got)
            give_up("write to the shadow");
        at += got;
        if (ftruncate(to, at) != 0) give_up("size of the shadow");
    }
    close(from);
    close(to);
    /* A kill in the middle of a copy leaves the file as of its last sync. */
    if (rename(draft, final) != 0) give_up("shadow rename");
}

static void forget_removed(const char *dir, const char *shadow) {
    DIR *listing = opendir(shadow);
    if (listing == NULL) give_up("shadow directory");
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        char original[8192], kept[8192];
        if (entry->d_name[0] == '.') continue;
        snprintf(original, sizeof original, "%s/%s", dir, entry->d_name);
        snprintf(kept, sizeof kept, "%s/%s", shadow, entry->d_name);
        if (access(original, F_OK) != 0) unlink(kept);
    }
    closedir(listing);
}

static void rename_in(const char *dir, const char *shadow) {
    for (struct rename_ **at = &renames; *at != NULL;) {
        struct rename_ *one = *at;
        if (!lies_in(one->to, dir)) {
            at = &one->next;
            continue;
        }
        char from[4096], to[4096];
        snprintf(from, sizeof from, "%s/%s", shadow, one->from);
        snprintf(to, sizeof to, "%s/%s", shadow, one->to);
        /* What was never synced has nothing to rename. */
        rename(from, to);
        *at = one->next;
        free(one);
    }
}

static void sync_directory(const char *dir, const char *shadow, const char *name) {
    char original[4096], kept[4096];
    rename_in(name, shadow);
    snprintf(original, sizeof original, "%s/%s", dir, name);
    snprintf(kept, sizeof kept, "%s/%s", shadow, name);
    make_parents(shadow, name);
    mkdir(kept, 0700);
    forget_removed(original, kept);
}

/* Whether the shadow has taken care of it. */
static int survive(int fd) {
    const char *dir = getenv("POWERCUT_DIR"), *shadow = getenv("POWERCUT_SHADOW");
    if (dir == NULL || shadow == NULL) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = '\0';
    size_t prefix = strlen(dir);
    if (strncmp(path, dir, prefix) != 0) return 0;
    struct stat about;
    if (fstat(fd, &about) != 0) return 0;
    if (path[prefix] != '\0' && path[prefix] != '/') return 0;
    const char *name = path[prefix] == '/' ? path + prefix + 1 : path + prefix;
    int is_dir = S_ISDIR(about.st_mode);
    int is_file = S_ISREG(about.st_mode);
    /* A file that was removed and is still open leaves nothing behind. */
    if (!is_dir && (!is_file || about.st_nlink == 0)) return 0;
    pthread_mutex_lock(&one_at_a_time);
    if (is_dir)
        sync_directory(dir, shadow, name);
    else
        copy(fd, shadow, name);
    pthread_mutex_unlock(&one_at_a_time);
    return 1;
}

static int really(const char *name, int fd) {
    int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return call == NULL ? -1 : call(fd);
}

int fsync(int fd) { return survive(fd) ? 0 : really("fsync", fd); }
int fdatasync(int fd) { return survive(fd) ? 0 : really("fdatasync", fd); }

int rename(const char *from, const char *to) {
    int (*call)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (call == NULL) return -1;
    const char *dir = getenv("POWERCUT_DIR");
    size_t prefix = dir == NULL ? 0 : strlen(dir);
    char absolute[2][4096];
    /* As the kernel sees the file before it moves; the new name lies where its folder is. */
    int ours = prefix > 0 && realpath(from, absolute[0]) != NULL;
    int done = call(from, to);
    if (done != 0 || !ours || realpath(to, absolute[1]) == NULL) return done;
    for (int i = 0; i < 2; i++)
        if (strncmp(absolute[i], dir, prefix) != 0 || absolute[i][prefix] != '/') return done;
    struct rename_ *one = calloc(1, sizeof *one);
    if (one == NULL) give_up("memory for a rename");
    snprintf(one->from, sizeof one->from, "%s", absolute[0] + prefix + 1);
    snprintf(one->to, sizeof one->to, "%s", absolute[1] + prefix + 1);
    pthread_mutex_lock(&one_at_a_time);
    struct rename_ **end = &renames;
    while (*end != NULL) end = &(*end)->next;
    *end = one;
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}
