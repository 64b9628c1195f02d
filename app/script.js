/* What the page does in the browser without the server: its state in the address, scrolling, and films. */
(() => {
  const RESULT = "arcinvert-result";
  /* The address with which the page was opened: the first tab's own event may change it before it is read. */
  const opened = location.search;
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  let awaited = null;

  /* Scrolls to the first frame of the attack that was started, and remembers the key of its result. */
  new MutationObserver(() => {
    const results = document.querySelectorAll("[data-result]");
    if (results.length) {
      const newest = [...results].find(one => !one.dataset.seen) || results[results.length - 1];
      newest.dataset.seen = "yes";
      sessionStorage.setItem(RESULT, newest.dataset.result);
    }
    const first = awaited && awaited.querySelector(".ai-live img");
    if (first) {
      awaited = null;
      const top = first.getBoundingClientRect().top;
      if (top < 0 || top > innerHeight / 2)
        first.closest(".ai-live").scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    }
  }).observe(document, { childList: true, subtree: true });
  document.addEventListener("click", event => {
    const start = event.target.closest(".ai-start");
    if (start) awaited = start.closest(".ai-columns");
  });

  const show = (films, at) => {
    films.querySelectorAll("[data-steps]").forEach(film => {
      const steps = film.dataset.steps.split(" ").map(Number);
      let frame = 0;
      while (frame + 1 < steps.length && steps[frame + 1] <= at) frame++;
      film.querySelector("img").style.transform = `translateX(${(-100 * frame) / steps.length}%)`;
      film.querySelector(".ai-at").textContent = `pass ${steps[frame]}`;
    });
    films.querySelector("output").textContent = at;
  };

  /* Turns the strokes and centres of the trainings to where they are at a step. */
  const turn = (view, data, step) => {
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
    view.querySelector("output").textContent = Math.round(step);
  };

  window.arcinvert = {
    /* Connects the trainings of the Learn tab; they play once when they are first seen, unless motion is unwanted. */
    toys: element => {
      const view = element.querySelector(".ai-toys"), data = JSON.parse(view.dataset.toys);
      const button = view.querySelector("button"), slider = view.querySelector("input");
      const last = Number(slider.max);
      let playing = 0;
      const stop = () => { playing = 0; button.textContent = "Play"; };
      const play = () => {
        const run = playing = performance.now();
        button.textContent = "Pause";
        if (Number(slider.value) >= last) slider.value = 0;
        const begin = Number(slider.value);
        const tick = now => {
          if (playing !== run || !view.isConnected) return;
          const step = Math.min(last, begin + Math.max(0, now - run) * last / 4000);
          slider.value = step;
          turn(view, data, step);
          if (step >= last) return stop();
          requestAnimationFrame(tick);
        };
        requestAnimationFrame(tick);
      };
      button.addEventListener("click", () => playing ? stop() : play());
      slider.addEventListener("input", () => { stop(); turn(view, data, Number(slider.value)); });
      if (calm()) return;
      const seen = new IntersectionObserver(entries => {
        if (!entries.some(entry => entry.isIntersecting)) return;
        seen.disconnect();
        play();
      });
      seen.observe(view);
    },
    /* The address and the key of the latest result, for the handler that restores them. */
    place: () => [opened, sessionStorage.getItem(RESULT) || ""],
    remember: (name, value) => {
      const query = new URLSearchParams(location.search);
      query.set(name, value);
      history.replaceState(null, "", "?" + query);
      return [];
    },
    /* Presses a button of a tab that was just opened, once Gradio has drawn it. */
    press: (id, patience = 600) => {
      const button = document.getElementById(id);
      if (button && button.offsetParent && !button.disabled) button.click();
      else if (patience > 0) setTimeout(() => window.arcinvert.press(id, patience - 1), 100);
    },
    scrub: slider => {
      const films = slider.closest(".ai-films");
      delete films.dataset.playing;
      films.querySelector("button").textContent = "Play";
      show(films, Number(slider.value));
    },
    play: button => {
      const films = button.closest(".ai-films"), slider = films.querySelector("input");
      const most = Number(slider.max), wasPlaying = films.dataset.playing;
      delete films.dataset.playing;
      button.textContent = "Play";
      if (wasPlaying) return;
      films.dataset.playing = "yes";
      button.textContent = "Pause";
      let at = Number(slider.value) >= most ? 0 : Number(slider.value);
      const tick = () => {
        if (!films.dataset.playing || !films.isConnected) return;
        at = Math.min(most, at + most / 60);
        slider.value = at;
        show(films, Math.round(at));
        if (at < most) return setTimeout(tick, calm() ? 400 : 80);
        delete films.dataset.playing;
        button.textContent = "Play";
      };
      tick();
    },
  };
})();
