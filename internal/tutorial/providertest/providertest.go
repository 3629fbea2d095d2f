// Package providertest holds authorization servers to one contract: the same
// tests run against the embedded server and against Keycloak, by HTTP alone and
// through the login form.
//
//	go test ./internal/tutorial/providertest                                    # the embedded server
//	KEYCLOAK_TEST=1 go test ./internal/tutorial/providertest                    # and a Keycloak, which it starts
//	KEYCLOAK_URL=http://localhost:8080 go test ./internal/tutorial/providertest # and the Keycloak that is there
//
// Where they answer differently, both answers stand in [Differences] with the
// reason, and the tests hold each provider to its own.
package providertest

// A Difference is something that an MCP client or server gets to see, and that
// isn't the same with both providers.
type Difference struct {
	// ID is what the tests call it.
	ID string
	// What is done.
	What string
	// Embedded and Keycloak are what the two answer: a status and error code,
	// or a value in an answer.
	Embedded, Keycloak string
	// Why says where it comes from, and what follows for whoever uses it.
	Why string
}
