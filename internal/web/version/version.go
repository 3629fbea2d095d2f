// Package version holds the one version that all programs of this repository
// print with -version. CHANGELOG.md says what changed in it.
package version

// Number is the version (Semantic Versioning 2.0.0).
const Number = "0.9.0"
