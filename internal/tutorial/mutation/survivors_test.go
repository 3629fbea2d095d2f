package mutation

// survivors are the statements that no test misses, with the reason, by package.
var survivors = map[string]map[string]string{}
