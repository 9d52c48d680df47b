// Keys for what the page offers as links and buttons anyway: without this file nothing is lost but the short way.
"use strict";

const typing = (place) => place.closest("input, select, textarea, [contenteditable]") !== null;

function step(direction) {
  const hits = [...document.querySelectorAll("[data-hit]")];
  if (!hits.length) return false;
  const now = hits.indexOf(document.activeElement);
  const next = now < 0 ? (direction > 0 ? 0 : hits.length - 1) : now + direction;
  if (next >= 0 && next < hits.length) hits[next].focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") document.activeElement.blur();
  if (typing(event.target)) return;
  if ((event.key === "j" && step(1)) || (event.key === "k" && step(-1))) return;
  const pressed = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
  if (!pressed) return;
  event.preventDefault();
  if (pressed.matches("input[type=search], input[type=text]")) {
    pressed.focus();
    pressed.select();
  } else {
    pressed.click();
  }
});

// A page of something that is still being indexed looks again, unless somebody is at work in it.
if (document.querySelector("[data-waiting]")) {
  const again = () => (typing(document.activeElement) || window.scrollY > 200 ? setTimeout(again, 2000) : location.reload());
  setTimeout(again, 2000);
}
