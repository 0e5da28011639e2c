// A binding, compiled with our header in the place of libzmq's.
#include <zmq.hpp>

#include <string>

int main() {
    zmq::context_t context;
    zmq::socket_t server(context, zmq::socket_type::rep), client(context, zmq::socket_type::req);
    server.bind("tcp://127.0.0.1:*");
    client.connect(server.get(zmq::sockopt::last_endpoint));
    client.send(zmq::message_t(std::string(1000, 'x')), zmq::send_flags::none);
    zmq::message_t request;
    if (server.recv(request).value() != 1000 || request.gets("Socket-Type") != std::string("REQ")) {
        return 1;
    }
    server.send(zmq::str_buffer("answer"), zmq::send_flags::none);
    zmq::message_t reply;
    zmq::pollitem_t item = {client, 0, ZMQ_POLLIN, 0};
    if (zmq::poll(&item, 1, std::chrono::seconds(10)) != 1 || !client.recv(reply)) {
        return 2;
    }
    return reply.to_string() == "answer" ? 0 : 3;
}
