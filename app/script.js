/* What the page does in the browser without the server: its state in the address, scrolling, and films. */
(() => {
  const RESULT = "arcinvert-result";
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
      film.querySelector(".ai-at").textContent = `after ${steps[frame]} passes`;
    });
    films.querySelector("output").textContent = at;
  };

  window.arcinvert = {
    /* The address and the key of the latest result, for the handler that restores them. */
    place: () => [location.search, sessionStorage.getItem(RESULT) || ""],
    remember: (name, value) => {
      const query = new URLSearchParams(location.search);
      query.set(name, value);
      history.replaceState(null, "", "?" + query);
      return [];
    },
    scrub: slider => show(slider.closest(".ai-films"), Number(slider.value)),
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
