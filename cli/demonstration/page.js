const views = document.querySelector(".views");
const buttons = [...views.querySelectorAll("button")];

function show(view) {
  document.body.classList.toggle("slider", view === "slider");
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => show(button.dataset.view));
}
for (const range of document.querySelectorAll(".pair input")) {
  range.addEventListener("input", () => {
    range.parentElement.style.setProperty("--at", `${range.value}%`);
  });
}
views.hidden = false;
show("slider");
