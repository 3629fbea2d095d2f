// Command zitadel is the example server of zitadel's library oidc, as it is: an
// issuer whose access tokens are opaque, with one client that is also the one that
// may ask about tokens. Its users are those of the example.
//
//	zitadel --addr localhost:PORT --redirect http://localhost:PORT/callback
package main

import (
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var (
	addr     = flag.String("addr", "localhost:9998", "`address` to listen on; the issuer is http:// and this and a slash")
	redirect = flag.String("redirect", "", "redirect `URI` of the client, which has the id api and the secret \"secret\"")
)

func main() {
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	issuer := "http://" + *addr + "/"
	storage.RegisterClients(storage.WebClient("api", "secret", *redirect))
	server := &http.Server{
		Addr: *addr, ReadHeaderTimeout: 10 * time.Second,
		Handler: exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), log, false, op.WithAllowInsecure()),
	}
	log.Error("ended", "error", server.ListenAndServe())
	os.Exit(1)
}
