/* Ends a process with SIGKILL right before a chosen step on the disk.
 *
 * Preloaded into the node, it counts what the process does to files below KILLPOINT_DIR: making files and
 * folders, the first of several writes, syncing, renaming, cutting and removing. Counting begins when the file
 * KILLPOINT_ARM appears; its text is the number of the step before which the process is killed, and 0
 * kills never. Each step is written to KILLPOINT_LOG before it is done, as `kind path`.
 *
 * Renames that the node makes by a system call of its own (exchanging folders) are not seen; the
 * syncs before and after them are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static long fatal = -1, done;
static char last_written[4096];
/* What this file does itself is no step. */
static __thread int inside;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether counting has begun. */
static int armed(void) {
    if (fatal >= 0) return 1;
    const char *arm = getenv("KILLPOINT_ARM");
    if (arm == NULL) return 0;
    int fd = REAL(open)(arm, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[32];
    ssize_t got = REAL(read)(fd, text, sizeof text - 1);
    REAL(close)(fd);
    if (got <= 0) return 0;
    text[got] = '\0';
    fatal = strtol(text, NULL, 10);
    return 1;
}

static void note(const char *kind, const char *path) {
    const char *log = getenv("KILLPOINT_LOG");
    if (log == NULL) return;
    int fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s\n", kind, path);
    if (length > 0) (void)!REAL(write)(fd, line, (size_t)length);
    REAL(close)(fd);
}

static void step(const char *kind, const char *path) {
    const char *dir = getenv("KILLPOINT_DIR");
    if (inside || dir == NULL || path == NULL) return;
    size_t prefix = strlen(dir);
    if (strncmp(path, dir, prefix) != 0 || (path[prefix] != '/' && path[prefix] != '\0')) return;
    const char *name = path[prefix] == '/' ? path + prefix + 1 : ".";
    int error = errno;
    inside = 1;
    pthread_mutex_lock(&one_at_a_time);
    if (armed()) {
        int is_write = strcmp(kind, "write") == 0;
        if (!is_write || strcmp(last_written, name) != 0) {
            snprintf(last_written, sizeof last_written, "%s", is_write ? name : "");
            done++;
            note(kind, name);
            if (done == fatal) kill(getpid(), SIGKILL);
        }
    }
    pthread_mutex_unlock(&one_at_a_time);
    inside = 0;
    errno = error;
}

static void step_at(const char *kind, int fd) {
    char link[64], path[4096];
    if (inside) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int error = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = error;
    if (length <= 0) return;
    path[length] = '\0';
    step(kind, path);
}

/* A name beside an open folder, as `unlinkat` and `mkdirat` take it. */
static void step_below(const char *kind, int dir, const char *name) {
    char link[64], path[4096];
    if (inside) return;
    if (name[0] == '/' || dir == AT_FDCWD) {
        step(kind, name);
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    int error = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = error;
    if (length <= 0) return;
    snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
    step(kind, path);
}

static mode_t mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
}

#define OPENS(name)                                       \
    int name(const char *path, int flags, ...) {          \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        mode_t mode = mode_of(flags, rest);               \
        va_end(rest);                                     \
        if (flags & O_CREAT) step("create", path);        \
        return REAL(name)(path, flags, mode);             \
    }
OPENS(open)
OPENS(open64)

int fsync(int fd) { step_at("sync", fd); return REAL(fsync)(fd); }
int fdatasync(int fd) { step_at("sync", fd); return REAL(fdatasync)(fd); }
int mkdir(const char *path, mode_t mode) { step("mkdir", path); return REAL(mkdir)(path, mode); }
int rmdir(const char *path) { step("remove", path); return REAL(rmdir)(path); }
int unlink(const char *path) { step("remove", path); return REAL(unlink)(path); }
int unlinkat(int dir, const char *path, int flags) {
    step_below("remove", dir, path);
    return REAL(unlinkat)(dir, path, flags);
}
int rename(const char *from, const char *to) { step("rename", to); return REAL(rename)(from, to); }
int ftruncate64(int fd, off64_t size) { step_at("cut", fd); return REAL(ftruncate64)(fd, size); }
ssize_t write(int fd, const void *bytes, size_t count) {
    step_at("write", fd);
    return REAL(write)(fd, bytes, count);
}
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t count, unsigned flags) {
    step_at("write", to);
    return REAL(copy_file_range)(from, at, to, there, count, flags);
}
