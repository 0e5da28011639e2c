/* Once a header of its own; all of it is in zmq.h. */
#include "zmq.h"
