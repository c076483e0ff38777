/* Kills a process at its n-th change of a file, from outside: LD_PRELOAD=killer.so.

   Every call that changes a file or a folder below KILLER_ROOT is a point. The points of all processes are numbered in
   the order in which they happen, by a counter in the file KILLER_COUNTER, and noted in KILLER_LOG as
   "number process call path". At point KILLER_AT the process sends SIGKILL to itself, or, with KILLER_WHOM=group, to
   its whole process group: before the call, after it, or in the middle (KILLER_WHEN=before, after, half: half of what
   was to be written is). With KILLER_AT=0 it only counts.

   With KILLER_SPEED=n the clock that tells the time of day runs n times as fast, from an hour before the present on, so
   that nobody has to wait for a wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#undef open
#undef open64

static uint64_t *counter;
static uint64_t kill_at;
static const char *root;
static size_t root_length;
static int kills_group, kills_after, kills_half;
static int log_fd = -1;
static int64_t speed;

static const int64_t SECOND = 1000000000;

static int64_t real_time(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("KILLER_COUNTER"), *log = getenv("KILLER_LOG"), *when = getenv("KILLER_WHEN");
    const char *at = getenv("KILLER_AT"), *whom = getenv("KILLER_WHOM"), *fast = getenv("KILLER_SPEED");
    root = getenv("KILLER_ROOT");
    if (!file || !root) return;
    root_length = strlen(root);
    kill_at = at ? strtoull(at, NULL, 10) : 0;
    kills_group = whom && !strcmp(whom, "group");
    kills_after = when && !strcmp(when, "after");
    kills_half = when && !strcmp(when, "half");
    /* By the kernel's own numbers: these calls are not points. */
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (shared == MAP_FAILED) return;
    uint64_t nobody = 0;
    __atomic_compare_exchange_n((uint64_t *)shared + 1, &nobody, (uint64_t)real_time(), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    speed = fast ? strtoll(fast, NULL, 10) : 0;
    counter = shared;
}

/* Returns the path of a name relative to an open folder. */
static const char *path_of(int folder, const char *name, char *out) {
    char link[64];
    if (name[0] == '/') return name;
    if (folder == AT_FDCWD) {
        if (!getcwd(out, PATH_MAX)) return NULL;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, out, PATH_MAX - 1);
        if (length < 0) return NULL;
        out[length] = 0;
    }
    if (*name) {
        size_t length = strlen(out);
        snprintf(out + length, 2 * PATH_MAX - length, "/%s", name);
    }
    return out;
}

static int is_ours(const char *path) {
    return path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Counts a point at the path; tells whether it is the last one. */
static int is_last(const char *call, int folder, const char *name) {
    if (!counter) return 0;
    int before = errno;
    char buffer[2 * PATH_MAX], line[2 * PATH_MAX + 64];
    const char *path = path_of(folder, name, buffer);
    int last = 0;
    if (is_ours(path)) {
        uint64_t number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
        last = number == kill_at;
        if (log_fd >= 0) {
            int length = snprintf(line, sizeof line, "%llu %d %s %s\n", (unsigned long long)number, (int)getpid(), call,
                                  path + root_length);
            syscall(SYS_write, log_fd, line, (size_t)length);
        }
    }
    errno = before;
    return last;
}

static void die(void) {
    kill(kills_group ? 0 : getpid(), SIGKILL);
    for (;;) pause();
}

static void die_before(int last) { if (last && !kills_after && !kills_half) die(); }
static void die_after(int last) { if (last) die(); }

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* POINT: the call, with the point before and after it. */
#define POINT(type, kind, folder, path, call) \
    int last = is_last(kind, folder, path); \
    die_before(last); \
    type done = (call); \
    die_after(last); \
    return done

/* WRITE: the same for calls that write `size` bytes, of which half are written where that is asked for. */
#define WRITE(kind, fd, size, call) \
    int last = is_last(kind, fd, ""); \
    die_before(last); \
    if (last && kills_half) size /= 2; \
    ssize_t done = (call); \
    die_after(last); \
    return done

ssize_t write(int fd, const void *data, size_t size) { NEXT(write); WRITE("write", fd, size, next(fd, data, size)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    NEXT(pwrite); WRITE("pwrite", fd, size, next(fd, data, size, at));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    NEXT(pwrite64); WRITE("pwrite", fd, size, next(fd, data, size, at));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(writev); WRITE("write", fd, count, next(fd, parts, count));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    NEXT(pwritev); WRITE("pwrite", fd, count, next(fd, parts, count, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    NEXT(pwritev64); WRITE("pwrite", fd, count, next(fd, parts, count, at));
}
ssize_t copy_file_range(int from, off64_t *start, int fd, off64_t *at, size_t size, unsigned flags) {
    NEXT(copy_file_range); WRITE("write", fd, size, next(from, start, fd, at, size, flags));
}
ssize_t sendfile(int fd, int from, off_t *start, size_t size);
ssize_t sendfile(int fd, int from, off_t *start, size_t size) {
    NEXT(sendfile); WRITE("write", fd, size, next(fd, from, start, size));
}
ssize_t sendfile64(int fd, int from, off64_t *start, size_t size);
ssize_t sendfile64(int fd, int from, off64_t *start, size_t size) {
    NEXT(sendfile64); WRITE("write", fd, size, next(fd, from, start, size));
}

int ftruncate(int fd, off_t size) { NEXT(ftruncate); POINT(int, "truncate", fd, "", next(fd, size)); }
int ftruncate64(int fd, off64_t size) { NEXT(ftruncate64); POINT(int, "truncate", fd, "", next(fd, size)); }
int posix_fallocate(int fd, off_t at, off_t size) {
    NEXT(posix_fallocate); POINT(int, "truncate", fd, "", next(fd, at, size));
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
    NEXT(posix_fallocate64); POINT(int, "truncate", fd, "", next(fd, at, size));
}
int fallocate(int fd, int mode, off_t at, off_t size) {
    NEXT(fallocate); POINT(int, "truncate", fd, "", next(fd, mode, at, size));
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    NEXT(fallocate64); POINT(int, "truncate", fd, "", next(fd, mode, at, size));
}
int truncate(const char *path, off_t size) { NEXT(truncate); POINT(int, "truncate", AT_FDCWD, path, next(path, size)); }
int truncate64(const char *path, off64_t size) {
    NEXT(truncate64); POINT(int, "truncate", AT_FDCWD, path, next(path, size));
}
int fsync(int fd) { NEXT(fsync); POINT(int, "sync", fd, "", next(fd)); }
int fdatasync(int fd) { NEXT(fdatasync); POINT(int, "sync", fd, "", next(fd)); }

int rename(const char *old, const char *new) { NEXT(rename); POINT(int, "rename", AT_FDCWD, new, next(old, new)); }
int renameat(int from, const char *old, int to, const char *new) {
    NEXT(renameat); POINT(int, "rename", to, new, next(from, old, to, new));
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    NEXT(renameat2); POINT(int, "rename", to, new, next(from, old, to, new, flags));
}
int link(const char *old, const char *new) { NEXT(link); POINT(int, "link", AT_FDCWD, new, next(old, new)); }
int linkat(int from, const char *old, int to, const char *new, int flags) {
    NEXT(linkat); POINT(int, "link", to, new, next(from, old, to, new, flags));
}
int symlink(const char *old, const char *new) { NEXT(symlink); POINT(int, "link", AT_FDCWD, new, next(old, new)); }
int unlink(const char *path) { NEXT(unlink); POINT(int, "unlink", AT_FDCWD, path, next(path)); }
int unlinkat(int folder, const char *path, int flags) {
    NEXT(unlinkat); POINT(int, "unlink", folder, path, next(folder, path, flags));
}
int remove(const char *path) { NEXT(remove); POINT(int, "unlink", AT_FDCWD, path, next(path)); }
int rmdir(const char *path) { NEXT(rmdir); POINT(int, "unlink", AT_FDCWD, path, next(path)); }

static int is_there(int folder, const char *path) {
    int before = errno;
    int there = !syscall(SYS_faccessat, folder, path, F_OK);
    errno = before;
    return there;
}

/* To make a folder that is there changes nothing. */
int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir);
    if (is_there(AT_FDCWD, path)) return next(path, mode);
    POINT(int, "mkdir", AT_FDCWD, path, next(path, mode));
}
int mkdirat(int folder, const char *path, mode_t mode) {
    NEXT(mkdirat);
    if (is_there(folder, path)) return next(folder, path, mode);
    POINT(int, "mkdir", folder, path, next(folder, path, mode));
}

/* Nor does it to open a file that is there. */
static int is_change(int folder, const char *path, int flags) {
    return is_there(folder, path) ? flags & O_TRUNC : flags & O_CREAT;
}

#define OPEN(folder, path, call) \
    int last = is_change(folder, path, flags) ? is_last("create", folder, path) : 0; \
    die_before(last); \
    int done = (call); \
    die_after(last); \
    return done

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) { MODE(flags) NEXT(open); OPEN(AT_FDCWD, path, next(path, flags, mode)); }
int open64(const char *path, int flags, ...) { MODE(flags) NEXT(open64); OPEN(AT_FDCWD, path, next(path, flags, mode)); }
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags) NEXT(openat); OPEN(folder, path, next(folder, path, flags, mode));
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags) NEXT(openat64); OPEN(folder, path, next(folder, path, flags, mode));
}
int creat(const char *path, mode_t mode) {
    const int flags = O_CREAT | O_TRUNC;
    NEXT(creat); OPEN(AT_FDCWD, path, next(path, mode));
}
FILE *fopen(const char *path, const char *mode) {
    int flags = *mode == 'r' ? 0 : O_CREAT | (*mode == 'w' ? O_TRUNC : 0);
    NEXT(fopen);
    int last = is_change(AT_FDCWD, path, flags) ? is_last("create", AT_FDCWD, path) : 0;
    die_before(last);
    FILE *done = next(path, mode);
    die_after(last);
    return done;
}
FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

static int64_t told_time(void) {
    int64_t began = (int64_t)counter[1];
    return began - 3600 * SECOND + (real_time() - began) * speed;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (clock != CLOCK_REALTIME || !speed || !counter) return syscall(SYS_clock_gettime, clock, out);
    int64_t now = told_time();
    out->tv_sec = now / SECOND;
    out->tv_nsec = now % SECOND;
    return 0;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    if (!speed || !counter) return syscall(SYS_gettimeofday, out, zone);
    int64_t now = told_time();
    out->tv_sec = now / SECOND;
    out->tv_usec = now % SECOND / 1000;
    return 0;
}
time_t time(time_t *out) {
    time_t now = (speed && counter ? told_time() : real_time()) / SECOND;
    if (out) *out = now;
    return now;
}
