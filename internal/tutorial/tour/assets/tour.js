// What several pages share.

// post sends a form or an object and returns the JSON answer; a refusal becomes an
// Error with its text.
export async function post(path, body) {
  const form = body instanceof FormData || body instanceof URLSearchParams;
  const answer = await fetch(path, {
    method: "POST",
    headers: form ? {} : { "Content-Type": "application/json" },
    body: body instanceof FormData ? new URLSearchParams(body) : form ? body : JSON.stringify(body ?? {}),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.problem ?? `The tour answered ${answer.status}.`);
  return reply;
}

// A form with data-swap="#id" stays on its page: the element of that id takes the place
// of the one here. Without JavaScript the same form leads to the whole page.
export const swapped = new EventTarget();

async function submit(form) {
  const selector = form.dataset.swap;
  const old = document.querySelector(selector);
  const button = form.querySelector("button:not([type=button])");
  const label = button.textContent;
  old.setAttribute("aria-busy", "true");
  button.disabled = true;
  button.textContent = form.dataset.busy ?? label;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(selector);
    if (fresh) {
      old.replaceWith(fresh);
    } else {
      old.querySelector(".swap-problem")?.remove();
      const note = document.createElement("p");
      note.className = "note bad swap-problem";
      note.setAttribute("role", "alert");
      note.textContent = page.querySelector(".note.bad")?.textContent ?? `The tour answered ${answer.status}.`;
      old.append(note);
    }
  } catch (error) {
    const note = document.createElement("p");
    note.className = "note bad swap-problem";
    note.setAttribute("role", "alert");
    note.textContent = `The tour can't be reached: ${error.message}. Is it still running?`;
    old.append(note);
  } finally {
    if (button.isConnected) {
      button.disabled = false;
      button.textContent = label;
    }
    old.removeAttribute("aria-busy");
    swapped.dispatchEvent(new CustomEvent("swap", { detail: selector }));
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-swap]")) return;
  event.preventDefault();
  submit(event.target);
});

// A form with data-pick is sent when another entry is picked.
document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-pick] select")) event.target.form.requestSubmit();
});
