// What a line is for stands in the half of the window that the line is not in.
const code = document.querySelector(".explained");

function place(event) {
  const line = event.target.closest("li");
  if (line) code.classList.toggle("low", line.getBoundingClientRect().top > innerHeight / 2);
}

for (const kind of ["pointerover", "focusin"]) code.addEventListener(kind, place);
