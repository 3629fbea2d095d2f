// Keeps which exercises are solved in this browser, too: what it knows goes to the
// exercise file, and what the file knows comes here. It is a list of numbers, no more.
const key = "solved exercises";

const kept = () => {
  try {
    const list = JSON.parse(localStorage.getItem(key));
    return new Set(Array.isArray(list) ? list.map(String) : []);
  } catch {
    return new Set(); // the browser keeps nothing, or something else was kept
  }
};

const keep = (ids) => {
  try {
    localStorage.setItem(key, JSON.stringify([...ids].sort()));
  } catch {
    // The browser keeps nothing; the exercise file does.
  }
};

const ids = (selector) => [...document.querySelectorAll(selector)].map((each) => each.dataset.exercise);

const remember = () => {
  const all = kept();
  for (const id of ids("[data-solved]")) all.add(id);
  if (all.size) keep(all);
};

document.querySelector("form[data-forget]")?.addEventListener("submit", () => {
  try {
    localStorage.removeItem(key);
  } catch {
    // There is nothing to forget.
  }
});

// What is new to the file is sent once; the page then shows it as solved.
const known = kept();
const missing = ids("[data-exercise]:not([data-solved])").filter((id) => known.has(id));
remember();
document.addEventListener("live", remember);
if (missing.length) {
  const answer = await fetch("/break/solved", { method: "POST", body: new URLSearchParams(missing.map((id) => ["exercise", id])) });
  if (answer.ok) location.reload();
}
