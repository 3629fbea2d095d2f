package tour

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// runPart starts and stops the program of a step, shows its log, and sends requests to
// it.
func (s *Server) runPart() Part {
	return Part{
		Name: "run", Tab: always("Run and send"),
		Step: func(r *http.Request, step int) (Content, error) { return s.runContent(r, step, nil) },
		Routes: func(mux *http.ServeMux) {
			mux.HandleFunc("POST /run/start/{step}", s.startProgram)
			mux.HandleFunc("POST /run/stop/{step}", s.stopProgram)
			mux.HandleFunc("POST /run/stop", s.stopAll)
			mux.HandleFunc("GET /run/log/{step}", s.streamLog)
			mux.HandleFunc("POST /run/send/{step}", s.sendRequest)
		},
	}
}

// buildPatience is how long a program may take to be built and started.
const buildPatience = 5 * time.Minute

// slowly lets an answer wait until a program is built.
func slowly(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(buildPatience))
	return context.WithTimeout(r.Context(), buildPatience)
}

// runContent is the page of a step's program, perhaps with an answer.
func (s *Server) runContent(r *http.Request, step int, sent *exchange) (Content, error) {
	view := map[string]any{
		"Step": manifest.Steps[step-1], "Server": programs.Server(step), "Program": s.Programs.Get(programs.StepName(step)),
		"Running": s.Programs.All(),
	}
	if last := s.Programs.Last(programs.StepName(step)); last != nil {
		view["Lines"], view["Next"], _, _ = last.Log.From(0)
		view["Failed"] = last.Failed()
	}
	if programs.Server(step) {
		view["Send"] = s.sendView(r, step, sent)
	}
	return Content{Title: "Step " + strconv.Itoa(step) + " at work", Body: execute("run.html", view),
		Scripts: []string{"tour.js", "run.js"}, Wide: true}, nil
}

func (s *Server) startProgram(w http.ResponseWriter, r *http.Request) {
	step, err := StepOf(r)
	if err == nil {
		ctx, cancel := slowly(w, r)
		defer cancel()
		err = s.startStep(ctx, step)
	}
	if err != nil {
		s.Render(w, r, Content{}, err)
		return
	}
	http.Redirect(w, r, stepURL(step, "run"), http.StatusSeeOther)
}

// startStep starts a server, or lets the client of step 11 go its whole way once.
func (s *Server) startStep(ctx context.Context, step int) error {
	if programs.Server(step) {
		_, err := s.Programs.StartStep(ctx, step)
		return err
	}
	// The demo builds its servers, so it runs where their source is.
	spec := programs.Spec{Name: programs.StepName(step), Args: []string{"--demo"}, Dir: s.Root, Runs: true}
	_, err := s.Programs.Start(ctx, spec)
	return err
}

func (s *Server) stopProgram(w http.ResponseWriter, r *http.Request) {
	step, err := StepOf(r)
	if err != nil {
		s.Render(w, r, Content{}, err)
		return
	}
	if program := s.Programs.Get(programs.StepName(step)); program != nil {
		program.Stop()
	}
	http.Redirect(w, r, stepURL(step, "run"), http.StatusSeeOther)
}

func (s *Server) stopAll(w http.ResponseWriter, r *http.Request) {
	for _, program := range s.Programs.All() {
		program.Stop()
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// streamLog sends the lines of a program's log as they come, from the number ?from on.
func (s *Server) streamLog(w http.ResponseWriter, r *http.Request) {
	step, err := StepOf(r)
	program := s.Programs.Last(programs.StepName(step))
	if err != nil || program == nil {
		http.NotFound(w, r)
		return
	}
	next, _ := strconv.Atoi(r.URL.Query().Get("from")) // 0 where it isn't a number
	over := false
	s.Stream(w, r, func(ctx context.Context) (string, any, bool) {
		for !over {
			lines, upTo, ended, changed := program.Log.From(next)
			if next = upTo; len(lines) > 0 {
				return "lines", lines, true
			}
			if ended {
				over = true
				<-program.Done()
				return "end", program.Failed(), true
			}
			select {
			case <-ctx.Done():
				return "", nil, false
			case <-changed:
			}
		}
		return "", nil, false
	})
}
