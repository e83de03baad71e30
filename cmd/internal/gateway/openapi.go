package gateway

import (
	_ "embed"
	"net/http"
	"strconv"
)

// openAPI describes the routes and their answers, in OpenAPI 3.1.
//
//go:embed openapi.json
var openAPI []byte

func writeOpenAPI(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = w.Write(openAPI) // a caller who is gone gets none
}
