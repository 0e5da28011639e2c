// The header is C++'s, too.
#define ZMQ_BUILD_DRAFT_API
#include <zmq.h>
#include <zmq_utils.h>

static void nothing(void *, void *) {}

int main() {
    static_assert(sizeof(zmq_msg_t) == 64 && alignof(zmq_msg_t) == 8, "as libzmq's");
    static_assert(ZMQ_VERSION == 40305, "as libzmq's");
    int major = 0, minor = 0, patch = 0;
    zmq_version(&major, &minor, &patch);
    zmq_free_fn *free = nothing;
    zmq_msg_t message;
    if (zmq_msg_init_data(&message, nullptr, 0, free, nullptr) != 0 || zmq_msg_close(&message) != 0) {
        return 1;
    }
    zmq_poller_event_t event = {};
    return ZMQ_MAKE_VERSION(major, minor, patch) == ZMQ_VERSION && event.events == 0 ? 0 : 1;
}
