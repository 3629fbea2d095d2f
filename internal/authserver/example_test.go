package authserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"mcp-auth-step-by-step/internal/authserver"
)

// A whole server for a test, on a free port: the demo realm, in memory.
func ExampleNew() {
	web := httptest.NewUnstartedServer(nil)
	server, err := authserver.New(authserver.Config{
		Issuer:       "http://" + web.Listener.Addr().String() + "/realms/mcp-realm",
		PasswordCost: authserver.PasswordCost{Memory: 8, Passes: 1}, // cheap: for tests only
	})
	if err != nil {
		panic(err)
	}
	web.Config.Handler = server
	web.Start()
	defer web.Close()

	answer, err := http.Post(web.URL+"/realms/mcp-realm/protocol/openid-connect/token", "application/x-www-form-urlencoded",
		strings.NewReader("grant_type=password&client_id=mcp-test-client&username=mcp-user&password=user123&scope=mcp:read"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	fmt.Println(answer.Status)
	// Output: 200 OK
}
