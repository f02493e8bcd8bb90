/* A disk that loses whatever was not synced.
 *
 * Preloaded into the writer, it answers fsync and fdatasync for files in POWERCUT_DIR by copying
 * the file as it is to POWERCUT_SHADOW; syncing the directory itself removes from the shadow what
 * is gone from the directory. After a kill the shadow is what a power cut would have left: each
 * file as of its last sync, and nothing that was only written. The real sync is left out, since
 * nobody looks at the real files again.
 *
 * A new file's name counts as synced with its content, as ext4, XFS and btrfs do it.
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

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* A shadow that cannot be written would make every result worthless. */
static void give_up(const char *what) {
    perror(what);
    abort();
}

static void copy(int from, const char *shadow, const char *name) {
    char draft[4096], final[4096], buffer[65536];
    snprintf(draft, sizeof draft, "%s/.draft", shadow);
    snprintf(final, sizeof final, "%s/%s", shadow, name);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) give_up("shadow file");
    for (off_t at = 0;;) {
        ssize_t got = pread(from, buffer, sizeof buffer, at);
        if (got < 0) give_up("read for the shadow");
        if (got == 0) break;
        if (write(to, buffer, got) != got) give_up("write to the shadow");
        at += got;
    }
    close(to);
    /* A kill in the middle of a copy leaves the file as of its last sync. */
    if (rename(draft, final) != 0) give_up("shadow rename");
}

static void forget_removed(const char *dir, const char *shadow) {
    DIR *listing = opendir(shadow);
    if (listing == NULL) give_up("shadow directory");
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        char original[4096], kept[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(original, sizeof original, "%s/%s", dir, entry->d_name);
        snprintf(kept, sizeof kept, "%s/%s", shadow, entry->d_name);
        if (access(original, F_OK) != 0) unlink(kept);
    }
    closedir(listing);
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
    const char *name = path + prefix + 1;
    int is_dir = S_ISDIR(about.st_mode) && path[prefix] == '\0';
    int is_file = S_ISREG(about.st_mode) && path[prefix] == '/' && strchr(name, '/') == NULL;
    /* A file that was removed and is still open leaves nothing behind. */
    if (!is_dir && (!is_file || about.st_nlink == 0)) return 0;
    pthread_mutex_lock(&one_at_a_time);
    if (is_dir)
        forget_removed(dir, shadow);
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
