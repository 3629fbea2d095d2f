// Follows the flow: each change comes as an event with the flow as it then is. What is on
// the page already stays as it is, so that an arrow that was opened stays open.
const fresh = (html) => new DOMParser().parseFromString(html, "text/html").body;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// pressing says that the focus is on what the visitor presses next, also while there is
// nothing to press.
let pressing = false;

// following says that the visitor watches the end of the diagram, and so the page moves
// along. Who scrolls or opens an arrow reads, and is left there until the end is in view.
let following = true;
const reads = () => (following = false);
addEventListener("wheel", reads, { passive: true });
addEventListener("touchmove", reads, { passive: true });
document.addEventListener("toggle", reads, true);
addEventListener("scroll", () => {
  const end = document.getElementById("flow-drawing").getBoundingClientRect().bottom;
  if (end > 0 && end < innerHeight) following = true;
});

// grow adds the children that an element doesn't have yet, and returns the last of them.
const grow = (old, now) => {
  let last;
  for (const child of [...now.children]) {
    const known = document.getElementById(child.id);
    if (!known) {
      old.append(child);
      last = child;
    } else if ("grows" in child.dataset) {
      last = grow(known, child) ?? last;
    }
  }
  return last;
};

const show = (html) => {
  const page = fresh(html);
  const state = document.getElementById("flow-state");
  const nextState = page.querySelector("#flow-state");
  if (state.dataset.state !== nextState.dataset.state) {
    if (state.contains(document.activeElement)) pressing = true;
    else if (document.activeElement !== document.body) pressing = false;
    // The status stays the same element, so that a screen reader says what is new in it.
    state.className = nextState.className;
    state.dataset.state = nextState.dataset.state;
    state.querySelector("[role=status]").replaceChildren(...nextState.querySelector("[role=status]").childNodes);
    state.querySelector(".flow-forms").replaceWith(nextState.querySelector(".flow-forms"));
    if (pressing) state.querySelector(".primary")?.focus({ preventScroll: true });
  }
  const drawing = document.getElementById("flow-drawing");
  const nextDrawing = page.querySelector("#flow-drawing");
  if (drawing.dataset.flow !== nextDrawing.dataset.flow) {
    drawing.replaceWith(nextDrawing);
    return;
  }
  const last = grow(drawing, nextDrawing);
  if (!following) return;
  const end = state.classList.contains("busy") ? last : state;
  end?.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
};

const follow = () => {
  const stream = new EventSource(document.getElementById("flow").dataset.stream);
  stream.addEventListener("flow", (event) => show(JSON.parse(event.data)));
  addEventListener("pagehide", () => stream.close());
};

// A form with data-flow is sent without leaving the page: the stream brings what comes
// of it.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("flow" in form.dataset)) return;
  event.preventDefault();
  document.querySelector(".flow-problem")?.remove();
  following = true;
  const body = new URLSearchParams(new FormData(form, event.submitter));
  let problem;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, redirect: "manual" });
    if (answer.type === "opaqueredirect") return;
    problem = fresh(await answer.text()).querySelector("main .note")?.textContent ?? `The tour answered ${answer.status}.`;
  } catch (error) {
    problem = `The tour does not answer. Is it still running? (${error.message})`;
  }
  const note = document.createElement("p");
  note.className = "note bad flow-problem";
  note.setAttribute("role", "alert");
  note.textContent = problem;
  document.getElementById("flow-state").append(note);
});

follow();
