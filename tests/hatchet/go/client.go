// tests/hatchet/go: what Hatchet's SDK for Go does on the wire, over grpc-go and our own messages.
//
// The SDK itself is not to be had from the module proxy. As it does: gzip on every request, its
// metadata ("Bearer"), its keepalive pings, its retries, its streams and their order.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type claims struct {
	Tenant  string `json:"sub"`
	REST    string `json:"server_url"`
	Address string `json:"grpc_broadcast_address"`
	Expires int64  `json:"exp"`
}

// The SDK refuses a token whose claims it cannot read; it verifies nothing.
func readToken(token string) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("HATCHET_CLIENT_TOKEN is not a JWT: " +
			"froe token create --hatchet makes one")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	c := &claims{}
	if err = json.Unmarshal(payload, c); err != nil {
		return nil, err
	}
	if c.Tenant == "" || c.REST == "" || c.Address == "" || c.Expires == 0 {
		return nil, fmt.Errorf("the token lacks a claim: %s", payload)
	}
	return c, nil
}

type Client struct {
	conn    *grpc.ClientConn
	token   string
	claims  *claims
	results *results
}

func connect() (*Client, error) {
	token := os.Getenv("HATCHET_CLIENT_TOKEN")
	c, err := readToken(token)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.Dial(c.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 60 * time.Second,
			PermitWithoutStream: true}))
	if err != nil {
		return nil, err
	}
	client := &Client{conn: conn, token: token, claims: c}
	client.results = newResults(client)
	return client, nil
}

func (c *Client) context(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
}

func transient(err error) bool {
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.DeadlineExceeded, codes.Internal, codes.Unavailable:
		return true
	}
	return false
}

// A unary call, again while the engine is away.
func (c *Client) call(ctx context.Context, method string, in, out proto.Message) error {
	pause := 100 * time.Millisecond
	for {
		err := c.conn.Invoke(c.context(ctx), method, in, out)
		if err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		if pause < 2*time.Second {
			pause *= 2
		}
	}
}

// The same, once.
func (c *Client) once(ctx context.Context, method string, in, out proto.Message) error {
	return c.conn.Invoke(c.context(ctx), method, in, out)
}

func (c *Client) stream(ctx context.Context, method string) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	return c.conn.NewStream(c.context(ctx), desc, method)
}

// A stream of answers to one request.
func (c *Client) listen(ctx context.Context, method string,
	in proto.Message) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{ServerStreams: true}
	s, err := c.conn.NewStream(c.context(ctx), desc, method)
	if err != nil {
		return nil, err
	}
	if err = s.SendMsg(in); err != nil {
		return nil, err
	}
	return s, s.CloseSend()
}

// REST: out may be nil.
func (c *Client) rest(ctx context.Context, method, path string, query url.Values, out any) error {
	where := c.claims.REST + path + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, where, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, body)
	}
	if err = json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: %w: %s", method, path, err, body)
	}
	return nil
}

// ------------------------------------------------------------------------------------------- runs

type Option func(*pb.TriggerWorkflowRequest)

func withPriority(priority int32) Option {
	return func(r *pb.TriggerWorkflowRequest) { r.Priority = proto.Int32(priority) }
}

func withMetadata(pairs map[string]string) Option {
	return func(r *pb.TriggerWorkflowRequest) {
		r.AdditionalMetadata = proto.String(toJSON(pairs))
	}
}

func toJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func trigger(name string, input any, options ...Option) *pb.TriggerWorkflowRequest {
	r := &pb.TriggerWorkflowRequest{Name: proto.String(name),
		Input: proto.String(toJSON(input))}
	for _, option := range options {
		option(r)
	}
	return r
}

func (c *Client) start(ctx context.Context, name string, input any, options ...Option) (string,
	error) {
	out := &pb.TriggerWorkflowResponse{}
	err := c.call(ctx, "/WorkflowService/TriggerWorkflow", trigger(name, input, options...),
		out)
	return out.GetWorkflowRunId(), err
}

// Output by task, or the first error.
func (c *Client) run(ctx context.Context, name string, input any,
	options ...Option) (map[string]Output, error) {
	id, err := c.start(ctx, name, input, options...)
	if err != nil {
		return nil, err
	}
	return c.results.wait(ctx, id)
}

type Output map[string]any

func (o Output) int(name string) int {
	value, ok := o[name].(float64)
	if !ok {
		return -1
	}
	return int(value)
}

func outputs(event *pb.WorkflowRunEvent) (map[string]Output, error) {
	all := map[string]Output{}
	for _, each := range event.GetResults() {
		if each.GetError() != "" {
			return nil, errors.New(each.GetError())
		}
		output := Output{}
		if each.GetOutput() != "" {
			if err := json.Unmarshal([]byte(each.GetOutput()), &output); err != nil {
				return nil, fmt.Errorf("output of %s: %w", each.GetTaskName(),
					err)
			}
		}
		all[each.GetTaskName()] = output
	}
	return all, nil
}

// One subscription for all runs of a client. When it breaks it is opened again, with all that is
// still waited for.
type results struct {
	client  *Client
	lock    sync.Mutex
	waiting map[string][]chan *pb.WorkflowRunEvent
	stream  grpc.ClientStream
}

func newResults(client *Client) *results {
	return &results{client: client, waiting: map[string][]chan *pb.WorkflowRunEvent{}}
}

func (r *results) subscribe(id string) {
	if r.stream != nil {
		request := &pb.SubscribeToWorkflowRunsRequest{WorkflowRunId: proto.String(id)}
		_ = r.stream.SendMsg(request)
	}
}

func (r *results) open() bool {
	s, err := r.client.stream(context.Background(), "/Dispatcher/SubscribeToWorkflowRuns")
	if err != nil {
		return false
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.stream = s
	for id := range r.waiting {
		r.subscribe(id)
	}
	return true
}

func (r *results) receive() {
	for {
		event := &pb.WorkflowRunEvent{}
		if r.stream.RecvMsg(event) != nil {
			return
		}
		r.lock.Lock()
		for _, to := range r.waiting[event.GetWorkflowRunId()] {
			to <- event
		}
		delete(r.waiting, event.GetWorkflowRunId())
		r.lock.Unlock()
	}
}

func (r *results) keep() {
	for {
		if r.open() {
			r.receive()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (r *results) wait(ctx context.Context, id string) (map[string]Output, error) {
	to := make(chan *pb.WorkflowRunEvent, 1)
	r.lock.Lock()
	if r.stream == nil && len(r.waiting) == 0 {
		go r.keep()
	}
	r.waiting[id] = append(r.waiting[id], to)
	r.subscribe(id)
	r.lock.Unlock()
	select {
	case event := <-to:
		return outputs(event)
	case <-ctx.Done():
		return nil, fmt.Errorf("run %s has not ended", id)
	}
}
