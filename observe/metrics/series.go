package metrics

const nsPerSecond = 1e9

// The tables below are the plain metrics, one line each: name, help, value,
// labels. The labels must be those that Collect passes.

var loopSeries = []series[Loop]{
	counter("loop_ticks_total", "Turns of the loop.", func(e *Loop) float64 { return float64(e.Ticks) }, "loop"),
	gauge("loop_tasks", "Tasks alive.", func(e *Loop) float64 { return float64(e.LoopCounters.Tasks) }, "loop"),
	counter("loop_tasks_spawned_total", "Tasks started.", func(e *Loop) float64 { return float64(e.Spawned) }, "loop"),
	counter("loop_task_polls_total", "Times a task was resumed.", func(e *Loop) float64 { return float64(e.Polls) }, "loop"),
	counter("loop_completions_total", "Operations that the driver finished.", func(e *Loop) float64 { return float64(e.Completions) }, "loop"),
	counter("loop_submissions_total", "Operations given to the kernel.", func(e *Loop) float64 { return float64(e.Submissions) }, "loop"),
	counter("loop_enters_total", "System calls made to submit or wait.", func(e *Loop) float64 { return float64(e.Enters) }, "loop"),
	counter("loop_task_panics_total", "Tasks that ended in a panic.", func(e *Loop) float64 { return float64(e.Panics) }, "loop"),
	gauge("loop_timers", "Timers armed.", func(e *Loop) float64 { return float64(e.Timers) }, "loop"),
	counter("loop_posted_total", "Messages received from other threads.", func(e *Loop) float64 { return float64(e.Posted) }, "loop"),
	counter("loop_stalls_total", "Times that something held the loop for longer than runtime.stall.", func(e *Loop) float64 { return float64(e.Stalls) }, "loop"),
	counter("loop_stalled_seconds_total", "Time for which the loop was held by what counts as a stall.", func(e *Loop) float64 { return float64(e.StalledNs) / nsPerSecond }, "loop"),
	counter("loop_delays_total", "Times that the machine did not run the loop for longer than runtime.stall.", func(e *Loop) float64 { return float64(e.Delays) }, "loop"),
}

var listenerSeries = []series[Listener]{
	counter("listener_connections_accepted_total", "Connections accepted.", func(e *Listener) float64 { return float64(e.Accepted) }, "listener"),
	gauge("listener_connections", "Connections open.", func(e *Listener) float64 { return float64(e.Active) }, "listener"),
	counter("listener_connections_closed_total", "Connections that have ended.", func(e *Listener) float64 { return float64(e.ListenerCounters.Closed) }, "listener"),
	counter("listener_accept_pauses_total", "Times accepting paused for want of descriptors or memory.", func(e *Listener) float64 { return float64(e.Paused) }, "listener"),
	counter("listener_capped_total", "Times accepting stopped because the connections had reached their bound.", func(e *Listener) float64 { return float64(e.Capped) }, "listener"),
	counter("listener_received_bytes_total", "Bytes read from clients.", func(e *Listener) float64 { return float64(e.BytesIn) }, "listener"),
	counter("listener_sent_bytes_total", "Bytes written to clients.", func(e *Listener) float64 { return float64(e.BytesOut) }, "listener"),
}

var clusterSeries = []series[Cluster]{
	gauge("cluster_endpoints", "Endpoints known.", func(e *Cluster) float64 { return float64(e.Endpoints) }, "cluster"),
	gauge("cluster_endpoints_available", "Endpoints that may be chosen.", func(e *Cluster) float64 { return float64(e.Available) }, "cluster"),
	counter("cluster_overloaded_total", "Requests refused because no connection came free in time.", func(e *Cluster) float64 { return float64(e.Overloaded) }, "cluster"),
}

var endpointSeries = []series[Endpoint]{
	counter("endpoint_requests_total", "Requests sent, retries included.", func(e *Endpoint) float64 { return float64(e.Requests) }, "cluster", "endpoint"),
	counter("endpoint_retries_total", "Requests sent that were not the first try.", func(e *Endpoint) float64 { return float64(e.Retries) }, "cluster", "endpoint"),
	counter("endpoint_connects_total", "Connections begun.", func(e *Endpoint) float64 { return float64(e.Connects) }, "cluster", "endpoint"),
	counter("endpoint_reused_total", "Requests that took a pooled connection.", func(e *Endpoint) float64 { return float64(e.Reused) }, "cluster", "endpoint"),
	gauge("endpoint_connections_idle", "Pooled connections waiting.", func(e *Endpoint) float64 { return float64(e.Idle) }, "cluster", "endpoint"),
	gauge("endpoint_connections_active", "Connections carrying a request.", func(e *Endpoint) float64 { return float64(e.Active) }, "cluster", "endpoint"),
	gauge("endpoint_streams", "Requests on HTTP/2 connections.", func(e *Endpoint) float64 { return float64(e.Streams) }, "cluster", "endpoint"),
	counter("endpoint_streams_refused_total", "Requests that an HTTP/2 server gave back unprocessed.", func(e *Endpoint) float64 { return float64(e.Refused) }, "cluster", "endpoint"),
	counter("endpoint_panics_total", "HTTP/2 connections that were ended because the gateway failed over them, by a panic outside any task.", func(e *Endpoint) float64 { return float64(e.Panics) }, "cluster", "endpoint"),
	counter("endpoint_goaways_total", "HTTP/2 connections that the server let end.", func(e *Endpoint) float64 { return float64(e.GoAways) }, "cluster", "endpoint"),
}

var taskSeries = []series[Task]{
	gauge("tasks", "Tasks alive, by name.", func(e *Task) float64 { return float64(e.Live) }, "task"),
	counter("task_spawned_total", "Tasks started, by name.", func(e *Task) float64 { return float64(e.Spawned) }, "task"),
	counter("task_polls_total", "Times tasks were resumed, by name.", func(e *Task) float64 { return float64(e.Polls) }, "task"),
	counter("task_busy_seconds_total", "Time tasks held their loops, by name.", func(e *Task) float64 { return float64(e.BusyNs) / nsPerSecond }, "task"),
	counter("task_panics_total", "Tasks that ended by a panic, by name.", func(e *Task) float64 { return float64(e.Panics) }, "task"),
}

var accessLogSeries = []series[AccessLog]{
	counter("access_log_records_written_total", "Access log records written.", func(e *AccessLog) float64 { return float64(e.Written) }),
	counter("access_log_records_dropped_total", "Access log records lost for want of room, or refused by the file.", func(e *AccessLog) float64 { return float64(e.Dropped) }),
}
