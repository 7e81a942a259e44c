// Services written with the official Go SDK, the same as in python_services.py.
//
//	services PORT APP http1|http2: serves one of the programs
//	services visit URL KEY: is a client of the services
package main

import (
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	restate "github.com/restatedev/sdk-go"
	"github.com/restatedev/sdk-go/server"
)

var apps = map[string][]restate.ServiceDefinition{
	"interop":           {tools(), counter(), signup()},
	"durable_execution": {restate.Reflect(Subscriptions{})},
	"virtual_objects":   {restate.Reflect(Greeter{})},
	"workflows":         {restate.Reflect(Accounts{})},
}

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if os.Args[1] == "visit" {
		heard, err := visit(os.Args[2], os.Args[3])
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(heard)
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	serve(os.Args[1], os.Args[2], os.Args[3] == "http1")
}

func serve(port, app string, http1 bool) {
	endpoint := server.NewRestate().Bidirectional(!http1)
	if key := os.Getenv("INTEROP_IDENTITY_KEY"); key != "" {
		endpoint.WithIdentityV1(key)
	}
	for _, definition := range apps[app] {
		endpoint.Bind(definition)
	}
	handler, err := endpoint.Handler()
	if err != nil {
		log.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(http1)
	protocols.SetUnencryptedHTTP2(!http1)
	web := http.Server{
		Addr:              "127.0.0.1:" + port,
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(web.ListenAndServe())
}

// How often something was tried in this process, by what and for whom.
var tries = struct {
	sync.Mutex
	counts map[[2]string]int
}{counts: map[[2]string]int{}}

func tried(what, name string) int {
	tries.Lock()
	defer tries.Unlock()
	tries.counts[[2]string{what, name}]++
	return tries.counts[[2]string{what, name}]
}
