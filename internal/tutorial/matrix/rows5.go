package matrix

import "net/http"

func rowsOfStep5() []Row {
	return inLayer(5, []Row{
		healthy(5, "jwks", `"jwks_available":true`),
		{
			ID: "jwks", Refs: []string{"D05"}, Title: "read the public key",
			Request: get("/.well-known/jwks.json"),
			Want: absentUntil(5,
				Want{
					Status: 200,
					Has: []string{
						`"kty":"RSA"`, `"alg":"RS256"`, `"use":"sig"`, `"kid":"`,
						"Cache-Control: public, max-age=300", "Access-Control-Allow-Origin: *",
					},
					Lacks: []string{`"d":`, `"p":`, `"q":`, `"dp":`, `"dq":`, `"qi":`, `"k":`},
				},
				moved,
			),
		},
		{
			ID: "private-key", Refs: []string{"D05"}, Attack: true, Title: "read the private key",
			Request: get("/keys/mcp_private_key.pem"),
			Want:    []Want{{From: 1, Status: 404}},
		},
	})
}

// moved is the outcome of a document that the provider serves from then on.
var moved = Want{From: 10, Status: http.StatusNotFound}
