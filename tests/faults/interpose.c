/* A test tool, loaded into the server with LD_PRELOAD. It writes down what is done to the files below FAULTS_ROOT, and makes
 * some of it fail when told to. No part of the product. What is done to names (rename, unlink …) is left to strace, since some
 * libraries ask the kernel for it without the C library; there is too little of it to slow anything down.
 *
 * FAULTS_ROOT    folder whose files are looked after
 * FAULTS_RECORD  file that the operations are appended to, binary: see struct record; harness/disk.py reads it
 * FAULTS_CONTROL file with one line, read before each operation: what fails, such as "fsync EIO" or "write ENOSPC"; empty or
 *                missing means nothing
 *
 * Times are CLOCK_MONOTONIC, taken before and after the operation, so that whoever rebuilds a disk knows what was surely
 * done, what was surely not begun, and what was under way.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, TRUNCATE, SYNC, UNKNOWN };

/* Followed by `path_bytes` of path and `data_bytes` of data. */
struct record {
    uint64_t begun, ended;
    uint64_t inode;
    int64_t offset;
    uint32_t kind;
    uint32_t flags; /* of OPEN: 1 made now, 2 truncated, 4 a folder */
    uint64_t path_bytes;
    uint64_t data_bytes;
};

#define MOST_FDS 65536
static unsigned char ours[MOST_FDS];
static char root[PATH_MAX];
static size_t root_bytes;
static int record_fd = -1;
static const char *control;
static pthread_mutex_t appending = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t ready = PTHREAD_ONCE_INIT;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_read)(int, void *, size_t);
static int (*real_close)(int);

static void prepare(void) {
    real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    real_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_read = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
    const char *wanted = getenv("FAULTS_ROOT");
    if (wanted && realpath(wanted, root)) root_bytes = strlen(root);
    control = getenv("FAULTS_CONTROL");
    const char *record = getenv("FAULTS_RECORD");
    if (record) record_fd = real_open(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void start(void) { pthread_once(&ready, prepare); }

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Writes the absolute form of `path` to `full`; whether it lies below the root. */
static int below(int folder, const char *path, char *full) {
    pthread_once(&ready, prepare);
    if (!root_bytes || !path) return 0;
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        char link[64], base[PATH_MAX];
        ssize_t n = 0;
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            n = readlink(link, base, sizeof base - 1);
            if (n < 0) return 0;
            base[n] = 0;
        }
        if (snprintf(full, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    return strncmp(full, root, root_bytes) == 0 && (full[root_bytes] == '/' || full[root_bytes] == 0);
}

static void append(enum kind kind, uint32_t flags, uint64_t begun, uint64_t inode, int64_t offset, const char *path,
                   const struct iovec *data, int pieces, size_t data_bytes) {
    if (record_fd < 0) return;
    int kept = errno;
    struct record record = {.begun = begun, .ended = now(), .inode = inode, .offset = offset, .kind = kind, .flags = flags};
    record.path_bytes = path ? strlen(path) : 0;
    record.data_bytes = data_bytes;
    pthread_mutex_lock(&appending);
    (void)!real_write(record_fd, &record, sizeof record);
    if (path) (void)!real_write(record_fd, path, record.path_bytes);
    for (int i = 0; i < pieces && data_bytes; i++) {
        size_t bytes = data[i].iov_len < data_bytes ? data[i].iov_len : data_bytes;
        (void)!real_write(record_fd, data[i].iov_base, bytes);
        data_bytes -= bytes;
    }
    pthread_mutex_unlock(&appending);
    errno = kept;
}

/* Whether `operation` is to fail now; sets errno. */
static int fails(const char *operation) {
    if (!control || !root_bytes) return 0;
    int kept = errno;
    int fd = real_open(control, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        errno = kept;
        return 0;
    }
    char text[64];
    ssize_t n = real_read(fd, text, sizeof text - 1);
    real_close(fd);
    errno = kept;
    if (n <= 0) return 0;
    text[n] = 0;
    if (strncmp(text, operation, strlen(operation)) != 0) return 0;
    errno = strstr(text, "ENOSPC") ? ENOSPC : strstr(text, "EMFILE") ? EMFILE : EIO;
    return 1;
}

static int is_ours(int fd) { return fd >= 0 && fd < MOST_FDS && ours[fd]; }

static uint64_t inode_of(int fd) {
    struct stat s;
    int kept = errno;
    uint64_t inode = fstat(fd, &s) == 0 ? s.st_ino : 0;
    errno = kept;
    return inode;
}

static int opened(int folder, const char *path, int flags, mode_t mode, int at) {
    char full[PATH_MAX];
    REAL(openat64);
    pthread_once(&ready, prepare);
    if (!below(folder, path, full)) {
        int fd = at ? real(folder, path, flags, mode) : real_open(path, flags, mode);
        if (fd >= 0 && fd < MOST_FDS) ours[fd] = 0;
        return fd;
    }
    if ((flags & O_CREAT) && fails("open")) return -1;
    struct stat s;
    int kept = errno;
    int existed = stat(full, &s) == 0;
    errno = kept;
    uint64_t begun = now();
    int fd = at ? real(folder, path, flags, mode) : real_open(path, flags, mode);
    if (fd < 0 || fd >= MOST_FDS) return fd;
    ours[fd] = 1;
    kept = errno;
    if (fstat(fd, &s) == 0) {
        uint32_t what = (existed ? 0u : 1u) | ((flags & O_TRUNC) && existed ? 2u : 0u) | (S_ISDIR(s.st_mode) ? 4u : 0u);
        append(OPEN, what, begun, s.st_ino, 0, full, NULL, 0, 0);
    }
    errno = kept;
    return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & (O_CREAT | __O_TMPFILE)) ? (mode_t)va_arg(arguments, int) : 0;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = mode_of(flags, arguments); \
        va_end(arguments); \
        return opened(AT_FDCWD, path, flags, mode, 0); \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = mode_of(flags, arguments); \
        va_end(arguments); \
        return opened(folder, path, flags, mode, 1); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    pthread_once(&ready, prepare);
    if (fd >= 0 && fd < MOST_FDS) ours[fd] = 0;
    return real_close(fd);
}

static void wrote(int fd, uint64_t begun, int64_t offset, const struct iovec *data, int pieces, ssize_t bytes) {
    if (bytes > 0) append(WRITE, 0, begun, inode_of(fd), offset, NULL, data, pieces, (size_t)bytes);
}

/* Where the next write of `fd` without a place of its own went, when it wrote `bytes`. */
static int64_t went(int fd, ssize_t bytes) {
    int kept = errno;
    int64_t at = lseek64(fd, 0, SEEK_CUR) - bytes;
    errno = kept;
    return at;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    pthread_once(&ready, prepare);
    if (!is_ours(fd)) return real_write(fd, data, bytes);
    if (fails("write")) return -1;
    uint64_t begun = now();
    ssize_t done = real_write(fd, data, bytes);
    struct iovec piece = {(void *)data, bytes};
    if (done > 0) wrote(fd, begun, went(fd, done), &piece, 1, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *data, int pieces) {
    REAL(writev);
    if (!is_ours(fd)) return real(fd, data, pieces);
    if (fails("write")) return -1;
    uint64_t begun = now();
    ssize_t done = real(fd, data, pieces);
    if (done > 0) wrote(fd, begun, went(fd, done), data, pieces, done);
    return done;
}

#define PWRITES(name, offset_t) \
    ssize_t name(int fd, const void *data, size_t bytes, offset_t offset) { \
        REAL(name); \
        if (!is_ours(fd)) return real(fd, data, bytes, offset); \
        if (fails("write")) return -1; \
        uint64_t begun = now(); \
        ssize_t done = real(fd, data, bytes, offset); \
        struct iovec piece = {(void *)data, bytes}; \
        wrote(fd, begun, offset, &piece, 1, done); \
        return done; \
    }
PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

#define TRUNCATES(name, offset_t) \
    int name(int fd, offset_t length) { \
        REAL(name); \
        if (!is_ours(fd)) return real(fd, length); \
        if (fails("write")) return -1; \
        uint64_t begun = now(); \
        int done = real(fd, length); \
        if (done == 0) append(TRUNCATE, 0, begun, inode_of(fd), length, NULL, NULL, 0, 0); \
        return done; \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

#define SYNCS(name) \
    int name(int fd) { \
        REAL(name); \
        if (!is_ours(fd)) return real(fd); \
        if (fails("fsync")) return -1; \
        uint64_t begun = now(); \
        int done = real(fd); \
        if (done == 0) append(SYNC, 0, begun, inode_of(fd), 0, NULL, NULL, 0, 0); \
        return done; \
    }
SYNCS(fsync)
SYNCS(fdatasync)

/* What would change a file without being written down ends the recording's worth; whoever reads it refuses it then. */
#define NOT_KNOWN(name, fd_argument, parameters, arguments) \
    ssize_t name parameters { \
        REAL(name); \
        if (is_ours(fd_argument)) append(UNKNOWN, 0, now(), inode_of(fd_argument), 0, #name, NULL, 0, 0); \
        return real arguments; \
    }
NOT_KNOWN(pwritev64, fd, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
NOT_KNOWN(copy_file_range, to, (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned f), (from, a, to, b, n, f))

int fallocate64(int fd, int mode, off64_t offset, off64_t bytes) {
    REAL(fallocate64);
    if (is_ours(fd)) append(UNKNOWN, 0, now(), inode_of(fd), offset, "fallocate", NULL, 0, 0);
    return real(fd, mode, offset, bytes);
}
int posix_fallocate64(int fd, off64_t offset, off64_t bytes) {
    REAL(posix_fallocate64);
    if (is_ours(fd)) append(UNKNOWN, 0, now(), inode_of(fd), offset, "posix_fallocate", NULL, 0, 0);
    return real(fd, offset, bytes);
}
