/* No thread but the program's own takes its signals. */
#define _DEFAULT_SOURCE
#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

/* The mask of blocked signals of a thread of this process, as the system says. */
static unsigned long long blocked_by(const char *thread) {
    char path[256], line[256];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *status = fopen(path, "r");
    CHECK(status);
    while (fgets(line, sizeof line, status)) {
        sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(status);
    return blocked;
}

static void give_back(void *data, void *hint) {
    (void)data;
    *(int *)hint = 1;
}

int main(void) {
    void *context = zmq_ctx_new();
    void *out = make(context, ZMQ_PUSH), *in = make(context, ZMQ_PULL);
    char endpoint[64];
    size_t size = sizeof endpoint;
    /* Threads that serve streams, monitors, and what gives memory back. */
    CHECK(zmq_socket_monitor(in, "inproc://signals", ZMQ_EVENT_ALL) == 0);
    CHECK(zmq_bind(in, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(in, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 && zmq_connect(out, endpoint) == 0);
    static char payload[10000];
    int freed = 0;
    zmq_msg_t message;
    CHECK(zmq_msg_init_data(&message, payload, sizeof payload, give_back, &freed) == 0);
    CHECK(zmq_msg_send(&message, out, 0) == sizeof payload && zmq_msg_close(&message) == 0);
    char received[1];
    CHECK(zmq_recv(in, received, 1, 0) == sizeof payload);

    char own[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads);
    int others = 0;
    for (struct dirent *thread; (thread = readdir(threads));) {
        if (thread->d_name[0] == '.') {
            continue;
        }
        int blocks = blocked_by(thread->d_name) >> (SIGINT - 1) & 1;
        if (strcmp(thread->d_name, own) == 0) {
            CHECK(!blocks);
        } else {
            CHECK(blocks);
            ++others;
        }
    }
    closedir(threads);
    CHECK(others >= 2);
    CHECK(zmq_close(in) == 0 && zmq_close(out) == 0 && zmq_ctx_term(context) == 0);
    CHECK(freed);
    return 0;
}
