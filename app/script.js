/* What the page does in the browser without the server: its state in the address, scrolling, and films. */
(() => {
  const RESULT = "arcinvert-result";
  /* The address with which the page was opened: the first tab's own event may change it before it is read. */
  const opened = location.search;
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const tabButton = tab => document.querySelector(`[role=tab][data-tab-id="${CSS.escape(tab)}"]`);
  let awaited = null, wishes = 0;
  /* What has the focus, or lost it by being hidden or disabled; the latest query; whether the visitor has done anything. */
  let focused = null, known = opened, acted = false;
  /* The paths of trainings, and when each view that plays was started. */
  const trainings = new WeakMap(), playing = new WeakMap();

  /* Gives a focus that was lost so to a button beside, or else to the open tab. */
  const refocus = () => {
    if (!focused || ![focused, document.body].includes(document.activeElement)) return;
    if (focused.isConnected && focused.offsetParent && !focused.disabled) return;
    const group = focused.closest(".ai-jobs"), buttons = group ? [...group.querySelectorAll("button:enabled")] : [];
    /* Between Stop and the end of a job neither button can be pressed. */
    if (group && group.offsetParent && !buttons.length) return;
    const next = buttons.find(one => one.offsetParent) || document.querySelector("[role=tab][aria-selected=true]");
    if (next) next.focus({ preventScroll: true });
  };
  document.addEventListener("focusin", event => {
    focused = event.target;
    /* Browsers leave what is half in sight where it is. */
    if (focused.matches(".ai-person:focus-visible")) focused.scrollIntoView({ block: "nearest", inline: "center" });
  });
  document.addEventListener("keydown", () => { acted = true; }, true);
  document.addEventListener("pointerdown", () => { acted = true; focused = null; }, true);

  /* Plays a view once when it is first seen, unless motion is unwanted. */
  const playWhenSeen = view => {
    view.dataset.watched = "yes";
    if (calm()) return;
    const seen = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      seen.disconnect();
      play(view);
    });
    seen.observe(view);
  };

  /* Scrolls to the first frame of the attack that was started, or to the answer of the audit, and remembers the key of its result. */
  new MutationObserver(() => {
    refocus();
    document.querySelectorAll("[data-autoplay]:not([data-watched])").forEach(playWhenSeen);
    /* Results of other tabs may stand there for long. */
    document.querySelectorAll("[data-result]:not([data-seen])").forEach(result => {
      result.dataset.seen = "yes";
      sessionStorage.setItem(RESULT, result.dataset.result);
    });
    /* A start that failed says why; the message may be below the fold. */
    const trouble = awaited && awaited.querySelector(".ai-controls .ai-problem:not([data-old])");
    if (trouble) {
      awaited = null;
      trouble.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "center" });
    }
    const first = awaited && awaited.querySelector(".ai-live img, .ai-figures:not([data-seen])");
    if (first) {
      awaited = null;
      const top = first.getBoundingClientRect().top;
      if (top < 0 || top > innerHeight / 2)
        (first.closest(".ai-live") || first.parentNode).scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });

  /* Whatever file is chosen goes to the server, which answers beside the control, in place of an earlier answer;
     Gradio would refuse what the browser takes for no photograph, such as HEIC, or for too large, in a corner. Of a
     large file as much goes as shows that it is too large. */
  const sendable = file => {
    const type = file.type.startsWith("image/") ? file.type : "image/unknown";
    return new File([file.slice(0, MAX_UPLOAD + 1)], file.name, { type, lastModified: file.lastModified });
  };
  const carry = files => {
    const carried = new DataTransfer();
    [...files].forEach(file => carried.items.add(sendable(file)));
    return carried;
  };
  const isOwn = file => file.size <= MAX_UPLOAD && file.type.startsWith("image/");
  document.addEventListener("change", event => {
    if (event.target.type === "file" && ![...event.target.files].every(isOwn))
      event.target.files = carry(event.target.files).files;
  }, true);
  document.addEventListener("drop", event => {
    const files = event.isTrusted && event.dataTransfer ? [...event.dataTransfer.files] : [];
    if (!files.length || files.every(isOwn)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const carried = { dataTransfer: carry(files), bubbles: true, cancelable: true };
    event.target.dispatchEvent(new DragEvent("drop", carried));
  }, true);

  /* Enter in an empty list of identities chooses nobody, unless arrows went to somebody. */
  let arrows = false;
  document.addEventListener("keydown", event => {
    if (!event.target.closest("#identity")) return;
    if (event.key === "Enter" && !event.target.value && !arrows) {
      event.stopImmediatePropagation();
      event.target.blur();
    }
    arrows = event.key === "ArrowDown" || event.key === "ArrowUp";
  }, true);

  document.addEventListener("click", event => {
    const start = event.target.closest(".ai-start");
    if (!start) return;
    awaited = start.closest(".ai-columns");
    awaited.querySelectorAll(".ai-problem").forEach(one => (one.dataset.old = "yes"));
    awaited.querySelectorAll(".ai-figures").forEach(figures => { figures.dataset.seen = "yes"; });
  });

  /* Shows of each film the picture at a number of passes. */
  const show = (films, at) => {
    films.querySelectorAll("[data-steps]").forEach(film => {
      const steps = film.dataset.steps.split(" ").map(Number);
      let frame = 0;
      while (frame + 1 < steps.length && steps[frame + 1] <= at) frame++;
      film.querySelector("img").style.transform = `translateX(${(-100 * frame) / steps.length}%)`;
      film.querySelector(".ai-at").textContent = `pass ${steps[frame]}`;
    });
  };

  /* Turns the strokes and centres of the trainings to where they are at a step. */
  const turn = (view, step) => {
    const data = trainings.get(view) || JSON.parse(view.dataset.toys);
    trainings.set(view, data);
    let frame = 0;
    while (frame + 2 < data.steps.length && data.steps[frame + 1] <= step) frame++;
    const share = (step - data.steps[frame]) / (data.steps[frame + 1] - data.steps[frame]);
    view.querySelectorAll(".ai-toy").forEach((figure, number) => {
      for (const [name, angles] of [["face", data.toys[number].faces], ["centre", data.toys[number].centres]])
        figure.querySelectorAll("." + name).forEach((mark, place) => {
          const from = angles[frame][place], way = ((angles[frame + 1][place] - from + 540) % 360) - 180;
          const angle = from + share * way;
          mark.setAttribute("transform", `rotate(${-angle})`);
          /* The numbers of the centres stay upright. */
          const number = mark.querySelector("g");
          if (number) number.setAttribute("transform", number.getAttribute("transform").replace(/rotate.*/, `rotate(${angle})`));
        });
    });
  };

  /* Views with a slider and a button that plays: what each draws at a position. */
  const DRAW = { films: (view, at) => show(view, Math.round(at)), toys: turn };
  /* Milliseconds from the first position to the last. */
  const DURATION = 4000;
  const draw = (view, at) => {
    DRAW[view.dataset.player](view, at);
    view.querySelector("output").textContent = Math.round(at);
  };
  const stop = view => {
    playing.delete(view);
    view.querySelector(".ai-scrubber button").textContent = "Play";
  };
  const play = view => {
    const slider = view.querySelector(".ai-scrubber input"), last = Number(slider.max);
    const run = performance.now();
    playing.set(view, run);
    view.querySelector(".ai-scrubber button").textContent = "Pause";
    const begin = Number(slider.value) >= last ? 0 : Number(slider.value);
    const tick = now => {
      if (playing.get(view) !== run || !view.isConnected) return;
      const at = Math.min(last, begin + Math.max(0, now - run) * last / DURATION);
      slider.value = at;
      draw(view, at);
      if (at >= last) return stop(view);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  };
  document.addEventListener("click", event => {
    const view = event.target.closest(".ai-scrubber button") && event.target.closest("[data-player]");
    if (view) playing.has(view) ? stop(view) : play(view);
  });
  document.addEventListener("input", event => {
    const view = event.target.closest(".ai-scrubber input") && event.target.closest("[data-player]");
    if (!view) return;
    stop(view);
    draw(view, Number(event.target.value));
  });

  document.addEventListener("click", event => {
    const button = event.target.closest(".ai-copy");
    if (!button) return;
    const code = button.parentNode.querySelector("code"), say = words => { button.firstChild.textContent = words; };
    /* Where the browser refuses, the text is selected, to be copied by hand. */
    const select = () => { getSelection().selectAllChildren(code); say("Selected"); };
    navigator.clipboard ? navigator.clipboard.writeText(code.textContent).then(() => say("Copied"), select) : select();
  });

  /* Back and Forward open tabs; what else is in the address stays as the controls are. */
  addEventListener("popstate", () => {
    const tab = new URLSearchParams(location.search).get("tab") || "start", query = new URLSearchParams(known);
    query.set("tab", tab);
    history.replaceState(null, "", "?" + query);
    const button = tabButton(tab);
    if (button) button.click();
  });

  window.arcinvert = {
    /* The address and the key of the latest result, for the handler that restores them. */
    place: () => [opened, sessionStorage.getItem(RESULT) || ""],
    correct: values => {
      const query = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(values)) if (query.has(name)) query.set(name, value);
      known = "?" + query;
      history.replaceState(null, "", known);
      return [];
    },
    remember: (name, value) => {
      /* The first tab's own event, before the tab of the address is opened; a name of no tab becomes the first one's. */
      const wanted = new URLSearchParams(opened).get("tab");
      if (name === "tab" && value === "start" && !acted && (wanted === null || tabButton(wanted))) return [];
      const query = new URLSearchParams(location.search);
      /* Back returns to the tab before; the page opens tabs by itself too, before the visitor has done anything. */
      const moved = name === "tab" && acted && (query.get(name) || "start") !== value;
      value === null || value === "" ? query.delete(name) : query.set(name, value);
      known = "?" + query;
      history[moved ? "pushState" : "replaceState"](null, "", known);
      if (name === "tab") setTimeout(refocus, 100);
      return [];
    },
    /* Presses a button of a tab that was just opened, once Gradio has drawn it, until it is busy: while the event of
       an earlier press ends, Gradio ignores another. Of two wishes the later counts. */
    press: (id, patience = 600, clicks = 0, wish = ++wishes) => {
      const button = document.getElementById(id);
      const isFree = button && button.offsetParent && !button.disabled;
      if (wish !== wishes || patience <= 0 || (clicks && !isFree)) return;
      if (isFree && patience % 10 === 0) {
        if (clicks === 5) return;
        refocus();
        button.click();
        clicks++;
      }
      setTimeout(() => window.arcinvert.press(id, patience - 1, clicks, wish), 100);
    },
  };
})();
