// One port for several protocols by cmux: says where it is, and to everybody which protocol it takes
// them to speak, followed by all that it has read of them.
package main

import (
	"fmt"
	"io"
	"log"
	"net"

	"github.com/soheilhy/cmux"
)

func main() {
	root, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mux := cmux.New(root)
	// It asks one after the other. What matches none of the others has to be frames.
	answer("tls", mux.Match(cmux.TLS()))
	answer("http2", mux.Match(cmux.HTTP2()))
	answer("http1", mux.Match(cmux.HTTP1()))
	answer("plain", mux.Match(cmux.Any()))
	fmt.Println(root.Addr())
	log.Fatal(mux.Serve())
}

func answer(kind string, listener net.Listener) {
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go func() {
				defer connection.Close()
				fmt.Fprintln(connection, kind)
				io.Copy(connection, connection)
			}()
		}
	}()
}
