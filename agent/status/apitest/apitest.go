// Package apitest compares answers with the OpenAPI description that is served
// beside them. Tests enter, complaints leave.
package apitest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Description is an OpenAPI description.
type Description struct {
	t     testing.TB
	model *v3.Document
	check validator.Validator
}

// Read reads a description, and wants it to be a valid one.
func Read(t testing.TB, text []byte) *Description {
	t.Helper()
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	check, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, problems := check.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("the description: %s: %s", p.Message, p.Reason)
		}
	}
	return &Description{t, &model.Model, check}
}

// Operations are what can be asked, like "GET /status", in order.
func (d *Description) Operations() (out []string) {
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			out = append(out, map[string]string{"get": "GET ", "post": "POST ", "put": "PUT ", "delete": "DELETE "}[method]+path)
		}
	}
	slices.Sort(out)
	return out
}

// Check wants an answer to be as it is described, and returns its body.
func (d *Description) Check(answer *http.Response) []byte {
	d.t.Helper()
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		d.t.Errorf("%s %s: %v", answer.Request.Method, answer.Request.URL, err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if ok, problems := d.check.ValidateHttpResponse(answer.Request, answer); !ok {
		for _, p := range problems {
			d.t.Errorf("%s %s is answered with %d, and that is not as described: %s: %s", answer.Request.Method, answer.Request.URL, answer.StatusCode, p.Message, p.Reason)
			for _, s := range p.SchemaValidationErrors {
				d.t.Logf("  %s: %s", s.FieldPath, s.Reason)
			}
		}
		d.t.Logf("  it is: %.2000s", body)
	}
	return body
}
