package realm

// The members of Keycloak's representations that matter here. Pointers tell
// what is absent from what is false.

type realmFile struct {
	Realm       string `json:"realm"`
	DisplayName string `json:"displayName"`
	Enabled     *bool  `json:"enabled"`
	SSLRequired string `json:"sslRequired"`

	AccessTokenLifespan     int64 `json:"accessTokenLifespan"`
	AccessCodeLifespan      int64 `json:"accessCodeLifespan"`
	AccessCodeLifespanLogin int64 `json:"accessCodeLifespanLogin"`
	SSOSessionIdleTimeout   int64 `json:"ssoSessionIdleTimeout"`
	SSOSessionMaxLifespan   int64 `json:"ssoSessionMaxLifespan"`
	NotBefore               int64 `json:"notBefore"`

	BrowserFlow      string   `json:"browserFlow"`
	DefaultSignature string   `json:"defaultSignatureAlgorithm"`
	DefaultScopes    []string `json:"defaultDefaultClientScopes"`
	OptionalScopes   []string `json:"defaultOptionalClientScopes"`
	VerifyEmail      bool     `json:"verifyEmail"`

	Roles struct {
		Client map[string][]roleFile `json:"client"`
	} `json:"roles"`
	ClientScopes        []scopeFile                   `json:"clientScopes"`
	ClientScopeMappings map[string][]scopeMappingFile `json:"clientScopeMappings"`
	Clients             []clientFile                  `json:"clients"`
	FailureFactor       int                           `json:"failureFactor"`
	Components          map[string][]componentFile    `json:"components"`
	ClientProfiles      struct {
		Profiles []profileFile `json:"profiles"`
	} `json:"clientProfiles"`
	ClientPolicies struct {
		Policies []policyFile `json:"policies"`
	} `json:"clientPolicies"`
	Users []userFile `json:"users"`
}

type roleFile struct {
	Name       string         `json:"name"`
	Composites map[string]any `json:"composites"`
}

type scopeFile struct {
	Name       string            `json:"name"`
	Protocol   string            `json:"protocol"`
	Attributes map[string]string `json:"attributes"`
	Mappers    []mapperFile      `json:"protocolMappers"`
}

type mapperFile struct {
	Mapper string            `json:"protocolMapper"`
	Config map[string]string `json:"config"`
}

// scopeMappingFile gives roles of one client to a client scope or to a client.
type scopeMappingFile struct {
	ClientScope string   `json:"clientScope"`
	Roles       []string `json:"roles"`
}

// clientFile is a client, and what the rest of it follows from.
type clientFile struct {
	Client
	Enabled         *bool             `json:"enabled"`
	Protocol        string            `json:"protocol"`
	BearerOnly      bool              `json:"bearerOnly"`
	Authenticator   string            `json:"clientAuthenticatorType"`
	StandardEnabled *bool             `json:"standardFlowEnabled"`
	FullAllowed     *bool             `json:"fullScopeAllowed"`
	NotBefore       int64             `json:"notBefore"`
	Attributes      map[string]string `json:"attributes"`
	FlowOverrides   map[string]string `json:"authenticationFlowBindingOverrides"`
}

type userFile struct {
	ID               string              `json:"id"`
	Username         string              `json:"username"`
	FirstName        string              `json:"firstName"`
	LastName         string              `json:"lastName"`
	Email            string              `json:"email"`
	EmailVerified    bool                `json:"emailVerified"`
	Enabled          *bool               `json:"enabled"`
	Credentials      []credentialFile    `json:"credentials"`
	RequiredActions  []string            `json:"requiredActions"`
	ClientRoles      map[string][]string `json:"clientRoles"`
	NotBefore        int64               `json:"notBefore"`
	ServiceAccountOf string              `json:"serviceAccountClientId"`
}

type credentialFile struct {
	Type      string `json:"type"`
	Value     string `json:"value"`
	Temporary bool   `json:"temporary"`
}

type componentFile struct {
	Provider string              `json:"providerId"`
	SubType  string              `json:"subType"`
	Config   map[string][]string `json:"config"`
}

type profileFile struct {
	Name      string         `json:"name"`
	Executors []executorFile `json:"executors"`
}

type executorFile struct {
	Executor      string         `json:"executor"`
	Configuration map[string]any `json:"configuration"`
}

type policyFile struct {
	Enabled    *bool           `json:"enabled"`
	Profiles   []string        `json:"profiles"`
	Conditions []conditionFile `json:"conditions"`
}

type conditionFile struct {
	Condition     string         `json:"condition"`
	Configuration map[string]any `json:"configuration"`
}
