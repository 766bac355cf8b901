// Asio's code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION is defined for this room).
#include <boost/asio/impl/src.hpp>
