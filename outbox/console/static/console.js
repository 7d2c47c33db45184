"use strict";

// What makes the console quicker for those who have scripts: it ticks, knows the browser's time zone, and has keys.
// Every page works without it.
(() => {
  const EVERY = 5000;
  const ONCE = 30000;
  const YEAR = 365 * 24 * 60 * 60;
  const OTHERS = 'input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]';
  const root = document.documentElement;
  const body = document.body;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  root.classList.add("scripted");

  // Parts of a page that are to stay true listen for it.
  const tick = () => {
    if (!document.hidden) body.dispatchEvent(new Event("tick"));
  };
  setInterval(tick, EVERY);
  document.addEventListener("visibilitychange", tick);

  // A part somebody is working in is not replaced under their hands.
  const changed = (part) =>
    part.type === "checkbox" || part.type === "radio"
      ? part.checked !== part.defaultChecked
      : part.tagName === "SELECT"
        ? [...part.options].some((option) => option.selected !== option.defaultSelected) && part.selectedIndex > 0
        : part.type !== "hidden" && part.value !== part.defaultValue;
  const busy = (part) =>
    (part.contains(document.activeElement) && document.activeElement.matches(`${OTHERS}, button, summary`)) ||
    all("input, textarea, select", part).some(changed) ||
    all("details[open]:not([data-open])", part).length > 0;
  body.addEventListener("htmx:beforeRequest", (event) => {
    const { target, requestConfig } = event.detail;
    if (requestConfig.triggeringEvent?.type === "tick" && busy(target)) event.preventDefault();
  });

  // The focus stays where it was: on what has the same id, or leads to the same place.
  let place = null;
  body.addEventListener("htmx:beforeSwap", (event) => {
    const focused = document.activeElement;
    if (!event.detail.target.contains(focused)) return;
    place = { id: focused.id, href: focused.getAttribute("href"), key: focused.dataset.key };
  });
  body.addEventListener("htmx:afterSettle", () => {
    if (!place || (document.activeElement && document.activeElement !== body)) return;
    const { id, href, key } = place;
    place = null;
    const same = id
      ? document.getElementById(id)
      : href && all("a[href]").find((link) => link.getAttribute("href") === href && link.dataset.key === key);
    same?.focus({ preventScroll: true });
  });

  // What is shown while nobody answers is old, and says so.
  const silent = document.getElementById("silent");
  const told = (quiet) => () => {
    const text = quiet ? silent?.dataset.text : "";
    if (!silent || silent.textContent === text) return;
    silent.textContent = text;
    silent.className = quiet ? "note warning" : "";
  };
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) body.addEventListener(name, told(true));
  body.addEventListener("htmx:afterOnLoad", told(false));

  // The browser's zone, unless the person chose another one.
  const cookie = (name) =>
    document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1).replaceAll('"', "");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !cookie("outbox-zone-chosen") && cookie("outbox-zone") !== zone) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `outbox-zone=${zone}; path=/; max-age=${YEAR}; samesite=lax${secure}`;
    // A page that a form has answered, or that says what was done, would not come back the same.
    const plain = root.dataset.method === "GET" && !document.querySelector("#notes .note");
    if (plain && root.dataset.zone !== zone && cookie("outbox-zone") === zone) location.reload();
  }

  // Ticks: all at once, and from one to another with the shift key.
  const boxes = (within) => all('input[type="checkbox"][data-key="x"]', within);
  let last = null;
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    const form = box.closest("form, table") ?? document;
    if (box.matches("[data-tick-all]")) {
      for (const each of boxes(form)) each.checked = box.checked;
    } else if (box.dataset.key === "x") {
      const listed = boxes(form);
      const [from, to] = [listed.indexOf(last), listed.indexOf(box)].sort((one, other) => one - other);
      if (event.shiftKey && from >= 0) for (const each of listed.slice(from, to + 1)) each.checked = box.checked;
      last = box;
      for (const each of all("[data-tick-all]", form)) each.checked = listed.every((one) => one.checked);
    }
  });

  // A form is sent once; its buttons come back with the page, or when no answer came. Previews stay as they are.
  const pressed = new Set();
  const free = () => {
    for (const button of pressed) button.disabled = false;
    pressed.clear();
  };
  document.addEventListener("submit", (event) => {
    const [form, by] = [event.target, event.submitter];
    const elsewhere = by?.getAttribute("formtarget") ?? form.getAttribute("target");
    if (event.defaultPrevented || elsewhere || form.getAttribute("method") !== "post") return;
    // A button that is disabled at once would not say its name and value.
    setTimeout(() => {
      for (const button of form.querySelectorAll("button, input[type=submit]")) {
        if (button.disabled) continue;
        pressed.add(button);
        button.disabled = true;
      }
    }, 0);
    setTimeout(free, ONCE);
  });
  window.addEventListener("pageshow", free);

  // Keys. The row one is in is the one that has the focus.
  const rows = () => all("[data-row]").filter((row) => row.getClientRects().length > 0);
  const current = () => document.activeElement?.closest("[data-row]");
  const handle = (row) => row?.querySelector('[data-key="open"]') ?? row?.querySelector("a[href], button, input");
  const move = (step) => {
    const listed = rows();
    const at = listed.indexOf(current());
    const next = listed[at < 0 ? (step > 0 ? 0 : listed.length - 1) : at + step];
    if (!next) return;
    for (const row of listed) row.removeAttribute("aria-current");
    next.setAttribute("aria-current", "true");
    handle(next)?.focus();
  };
  const own = (key) => {
    const row = current();
    const found = row
      ? row.querySelector(`[data-key="${key}"]`)
      : all(`[data-key="${key}"]`).find((each) => !each.closest("[data-row]"));
    if (!found) return false;
    found.click();
    return true;
  };
  const search = () => {
    const field = document.querySelector('[data-key="search"]');
    if (field) {
      field.closest("details")?.setAttribute("open", "");
      field.focus();
      field.select?.();
    }
    return Boolean(field);
  };
  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    o: () => own("open"),
    e: () => own("e"),
    r: () => own("r"),
    x: () => own("x"),
    "/": search,
    "?": () => own("help"),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.(OTHERS);
    if (typing || event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (act && !event.repeat && act() !== false) event.preventDefault();
    else if (act && event.repeat && "jk".includes(event.key)) act();
  });
})();
