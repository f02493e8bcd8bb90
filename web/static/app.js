// What script adds to pages that work without it: live refresh with a pause
// button, copy buttons, following logs, a guard on type-the-name forms.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const $ = (selector) => document.querySelector(selector);

  // The open tab is seen where the row of tabs is longer than the screen.
  const row = $(".tabs ul");
  const tab = $(".tabs [aria-current]");
  if (row && tab) row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;

  // Live refresh. The stream says `changed`; regions listen for `refresh` on
  // the body. At most one refresh a second, none while paused, hidden, or
  // while someone has selected text.
  const state = $("#live-state");
  const toggle = $("#live-toggle");
  const STALE_MS = 10000;
  let paused = false;
  let connected = false;
  let waiting = null;
  let last = Date.now();

  const say = (text, kind) => {
    if (!state || state.textContent === text) return;
    state.textContent = text;
    state.className = kind;
  };
  const show = () => {
    if (paused) say("paused", "tone-warn");
    else if (connected) say("live", "tone-good");
    else say("reconnecting…", "tone-warn");
  };
  const refresh = () => {
    waiting = null;
    if (paused || document.hidden || !getSelection().isCollapsed) return;
    last = Date.now();
    document.body.dispatchEvent(new CustomEvent("refresh"));
  };
  const changed = () => {
    if (!waiting) waiting = setTimeout(refresh, Math.max(0, 1000 - (Date.now() - last)));
  };
  if ($("#stream")) {
    const ours = (event) => event.target.id === "stream";
    document.addEventListener("changed", changed);
    document.addEventListener("htmx:sse:after:connection", (event) => {
      if (!ours(event)) return;
      connected = true;
      show();
      changed();
    });
    for (const name of ["htmx:sse:error", "htmx:sse:close", "htmx:sse:before:connection"]) {
      document.addEventListener(name, (event) => {
        if (!ours(event)) return;
        connected = false;
        show();
      });
    }
    // Ages go stale even when nothing changes.
    setInterval(() => { if (Date.now() - last >= STALE_MS) refresh(); }, STALE_MS);
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      paused = !paused;
      toggle.setAttribute("aria-pressed", String(paused));
      toggle.textContent = paused ? "Resume updates" : "Pause updates";
      show();
      if (!paused) refresh();
    });
  }

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        copy.classList.add("done");
        setTimeout(() => copy.classList.remove("done"), 1200);
      } catch {
        copy.previousElementSibling?.focus?.();
      }
      return;
    }
    const wrap = event.target.closest("[data-wrap]");
    if (wrap) {
      const on = $(wrap.dataset.wrap).classList.toggle("wrapped");
      wrap.setAttribute("aria-pressed", String(on));
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-autosubmit] select")) event.target.form.requestSubmit();
  });

  // A removal can only be sent once the name is typed; the server checks too.
  for (const form of document.querySelectorAll("[data-confirm]")) {
    const button = form.querySelector("button");
    const input = form.querySelector("[name=confirm]");
    const check = () => { button.disabled = input.value !== form.dataset.confirm; };
    input.addEventListener("input", check);
    check();
  }

  // A log that is followed stays at its end unless someone scrolled up.
  const log = $("#log");
  if (log) {
    const LINES = 2000;
    let atEnd = true;
    const end = () => { log.scrollTop = log.scrollHeight; };
    end();
    log.addEventListener("scroll", () => {
      atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    });
    new MutationObserver(() => {
      while (log.childElementCount > LINES) log.firstElementChild.remove();
      if (atEnd) end();
    }).observe(log, { childList: true });
  }

  $("[data-focus]")?.focus();
})();
