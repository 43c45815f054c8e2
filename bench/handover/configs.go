package main

// site is what a configuration's template may use. Deadline is empty, or how long old processes may live, in seconds.
type site struct {
	Dir, Web, Relay, Origin, Echo string
	Deadline                      string
	Stream                        string // nginx's module for TCP, if it is a file; empty where nginx cannot relay
	Relays                        bool
	Turn                          int // so that each reload has something new to read
}

const ringwayConfig = `listeners:
  web: {address: "{{.Web}}", routes: [{name: turn-{{.Turn}}, cluster: site}]}
  relay: {address: "{{.Relay}}", protocol: tcp, cluster: echo}
clusters: {site: {endpoints: ["{{.Origin}}"]}, echo: {endpoints: ["{{.Echo}}"]}}
runtime: {loops: 2, drain_timeout: 10s}
process: {control: "{{.Dir}}/control", pid_file: "{{.Dir}}/pid"}
`

const nginxConfig = `{{if .Stream}}load_module {{.Stream}};
{{end}}user root;
worker_processes 2;
{{if .Deadline}}worker_shutdown_timeout {{.Deadline}}s;
{{end}}daemon on;
pid {{.Dir}}/pid;
error_log {{.Dir}}/error.log error;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path {{.Dir}}/client;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
  keepalive_requests 1000000000;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream site { server {{.Origin}}; keepalive 256; }
  server {
    listen {{.Web}};
    location / {
      proxy_pass http://site;
      proxy_http_version 1.1;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $http_host;
      proxy_read_timeout 1h;
      add_header X-Turn {{.Turn}};
    }
  }
}
{{if .Relays}}stream {
  server { listen {{.Relay}}; proxy_pass {{.Echo}}; proxy_timeout 1h; }
}
{{end}}`

const haproxyConfig = `global
  nbthread 2
  maxconn 4096
  pidfile {{.Dir}}/pid
  stats socket {{.Dir}}/stats mode 600 level admin expose-fd listeners
  {{if .Deadline}}hard-stop-after {{.Deadline}}s{{end}}
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend web
  mode http
  bind {{.Web}}
  http-response set-header X-Turn {{.Turn}}
  default_backend site
backend site
  mode http
  http-reuse always
  server origin {{.Origin}}
frontend relay
  mode tcp
  bind {{.Relay}}
  default_backend echo
backend echo
  mode tcp
  server origin {{.Echo}}
`
