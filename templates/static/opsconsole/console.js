// Small helps that every page shares. Nothing here is needed to do the work: without it, pages say the same less lively.

(function () {
  "use strict";

  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

  function relative(moment) {
    const away = (moment.getTime() - Date.now()) / 1000;
    const size = Math.abs(away);
    if (size < 45) return away <= 0 ? "just now" : "in a moment";
    const [name, length] = UNITS.find(([, seconds]) => size >= seconds) || ["second", 1];
    const amount = Math.floor(size / length);
    const words = `${amount} ${name}${amount === 1 ? "" : "s"}`;
    return away > 0 ? `in ${words}` : `${words} ago`;
  }

  function left(moment) {
    const minutes = Math.floor((moment.getTime() - Date.now()) / 60000);
    if (minutes < 0) return "over";
    if (minutes < 60) return `${minutes} min left`;
    if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
    const days = Math.floor(minutes / 1440);
    return `${days} day${days === 1 ? "" : "s"} ${Math.floor((minutes % 1440) / 60)} h left`;
  }

  function keepTimesTrue() {
    document.querySelectorAll("time.oc-until").forEach((element) => {
      const words = left(new Date(element.dateTime));
      if (element.textContent !== words) element.textContent = words;
    });
    document.querySelectorAll("time.oc-when").forEach((element) => {
      const words = relative(new Date(element.dateTime));
      if (element.textContent !== words) element.textContent = words;
    });
  }

  function copy(event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    navigator.clipboard.writeText(source.textContent.trim()).then(() => {
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }

  // A log that was read at its end stays at its end; one that was scrolled up stays where it is.
  function followLog(event) {
    const log = document.getElementById("oc-log");
    if (!log) return;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (event.type === "htmx:beforeSwap") log.dataset.follow = atEnd ? "1" : "";
    else if (log.dataset.follow) log.scrollTop = log.scrollHeight;
  }

  // A form that was sent is not sent twice by an impatient second click.
  function onceOnly(event) {
    const form = event.target;
    if (form.method !== "post" || form.dataset.sent) {
      if (form.dataset.sent) event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  }

  // A browser sends the names of a folder's files without their paths, so the paths go along in a field of their own.
  function tellPaths(event) {
    const field = event.target.dataset && event.target.dataset.paths;
    if (!field) return;
    const paths = Array.from(event.target.files, (file) => file.webkitRelativePath || file.name);
    document.querySelector(field).value = JSON.stringify(paths);
  }

  // The theme's script writes the name of a chosen file into a field beside it, which only its own widget has.
  function keepFilesAlone() {
    for (const field of document.querySelectorAll(".oc-field input[type=file]")) field.hasChangeListener = true;
  }

  // On a narrow screen the open tab may lie beyond the edge of the bar.
  function showTab() {
    const tab = document.querySelector(".oc-tabs [aria-current]");
    if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 40;
  }

  document.addEventListener("click", copy);
  document.addEventListener("change", tellPaths);
  document.addEventListener("submit", onceOnly);
  document.addEventListener("htmx:beforeSwap", followLog);
  document.addEventListener("htmx:afterSettle", (event) => { followLog(event); keepTimesTrue(); });
  document.addEventListener("DOMContentLoaded", () => {
    keepFilesAlone();
    showTab();
    const log = document.getElementById("oc-log");
    if (log) log.scrollTop = log.scrollHeight;
  });
  setInterval(keepTimesTrue, 15000);
})();
