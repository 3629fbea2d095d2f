// Sends forms that have data-live without leaving the page. The answer is the page
// that a browser without scripts would get; the elements that data-live names are
// taken from it.
const busy = (form, button, on) => {
  form.toggleAttribute("aria-busy", on);
  for (const each of form.querySelectorAll("button")) each.disabled = on;
  button?.classList.toggle("working", on);
};

const report = (form, text) => {
  const problem = document.createElement("p");
  problem.className = "note bad";
  problem.setAttribute("role", "alert");
  problem.textContent = text;
  form.before(problem);
};

const replace = (selector, page) => {
  const fresh = page.querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old) return false;
  old.replaceWith(fresh);
  fresh.querySelector("[data-focus]")?.focus({ preventScroll: false });
  document.dispatchEvent(new CustomEvent("live", { detail: fresh }));
  return true;
};

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const selectors = form.dataset?.live;
  if (!selectors) return;
  event.preventDefault();
  const button = event.submitter;
  const body = new URLSearchParams(new FormData(form, button));
  busy(form, button, true);
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, redirect: "error" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const done = selectors.split(" ").map((selector) => replace(selector, page));
    if (!done[0]) report(form, page.querySelector("main")?.textContent.trim() || `The tour answered ${answer.status}.`);
  } catch (error) {
    report(form, `The tour does not answer. Is it still running? (${error.message})`);
  }
  if (form.isConnected) busy(form, button, false);
});
