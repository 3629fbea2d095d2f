// The log of a program, as it comes.
import { swapped } from "/assets/tour.js";

let stream;

function follow() {
  stream?.close();
  const log = document.getElementById("log");
  if (!log?.dataset.stream) return;
  stream = new EventSource(log.dataset.stream);
  stream.addEventListener("lines", (event) => {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(JSON.parse(event.data).join("\n") + "\n");
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  stream.addEventListener("end", (event) => {
    stream.close();
    const badge = document.querySelector("#program .badge");
    const failed = JSON.parse(event.data);
    badge.className = failed ? "badge bad" : "badge";
    badge.textContent = failed ? "failed" : "ended";
    document.querySelector('form[action^="/run/start/"] button').disabled = false;
    document.querySelector('form[action^="/run/stop/"] button').disabled = true;
  });
  stream.onerror = () => stream.close();
  log.scrollTop = log.scrollHeight;
}

swapped.addEventListener("swap", (event) => event.detail === "#program" && follow());
follow();

// What the table says is about its own request, and goes when that is edited.
document.addEventListener("input", (event) => {
  const form = event.target.closest("form.request");
  const says = form?.querySelector("[data-wants]");
  if (says) says.hidden = [...form.querySelectorAll("input[type=text], textarea")].some((field) => field.value !== field.defaultValue);
});
