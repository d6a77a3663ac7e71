package centraltest

import (
	"html/template"
	"net/http"
)

func (s *Server) list(w http.ResponseWriter, _ *http.Request) { reply(w, 200, s.Recordings()) }

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<title>Recordings</title>
<style>body{font:15px system-ui;margin:2em}table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:left;border-bottom:1px solid #ddd}</style>
<h1>Recordings at central</h1>
<table><tr><th>Recording<th>Recorded by<th>Status<th>Upload<th>Bytes<th></tr>
{{range .}}<tr><td>{{.Name}}<td>{{.ClientName}}<td>{{.Status}}<td>{{.UploadStatus}}<td>{{.FileSize}}<td>{{if .URL}}<a href="{{.URL}}">play</a>{{end}}</tr>
{{else}}<tr><td colspan="6">none yet</tr>{{end}}</table>
`))

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	rows := s.Recordings()
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pageTemplate.Execute(w, rows) // a client that has gone is no news
}
