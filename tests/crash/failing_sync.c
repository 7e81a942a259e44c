/* Loaded into a server's process in front of the C library: while a file called
 * FAILING_SYNC exists, no sync succeeds, be it made by a call or by the kernel in the background.
 * Nothing else changes, so the server sees what it would see of a disk that has gone bad. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*sync_call)(int);

static int fails(void)
{
    const char *trigger = getenv("FAILING_SYNC");
    return trigger != NULL && access(trigger, F_OK) == 0;
}

static int call(const char *name, int fd)
{
    if (fails()) {
        errno = EIO;
        return -1;
    }
    return ((sync_call)dlsym(RTLD_NEXT, name))(fd);
}

int fsync(int fd)
{
    return call("fsync", fd);
}

int fdatasync(int fd)
{
    return call("fdatasync", fd);
}

/* The results of io_submit come by io_getevents, which the C library has no function for. */
long syscall(long number, ...)
{
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_io_getevents && result > 0 && fails()) {
        struct io_event *events = (struct io_event *)a[3];
        for (long i = 0; i < result; i++)
            events[i].res = -EIO;
    }
    return result;
}
