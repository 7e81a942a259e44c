/* Loaded into a server's process in front of the C library: while a file called
 * FAILING_SYNC exists, no sync succeeds. Nothing else changes, so the server sees what it would see
 * of a disk that has gone bad. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
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
