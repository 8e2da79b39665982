const sides = JSON.parse(document.querySelector("#players").textContent);
document.querySelectorAll(".player").forEach((card) => {
  const shown = sides[Number(card.dataset.side)], clip = shown.clips[Number(card.dataset.number)];
  const canvas = card.querySelector("canvas"), pen = canvas.getContext("2d");
  const button = card.querySelector(".play"), slider = card.querySelector("input");
  let timer = null;
  const draw = () => {
    const pose = clip[Number(slider.value)], size = canvas.width;
    const place = (i) => [pose[2 * i] * size / 1000, pose[2 * i + 1] * size / 1000];
    pen.clearRect(0, 0, size, size);
    pen.lineWidth = 3;
    pen.lineCap = "round";
    shown.bones.forEach(([a, b]) => {
      pen.strokeStyle = shown.colours[a];
      pen.beginPath();
      pen.moveTo(...place(a));
      pen.lineTo(...place(b));
      pen.stroke();
    });
    shown.colours.forEach((colour, i) => {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(...place(i), 3.5, 0, 7);
      pen.fill();
    });
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "play";
    button.setAttribute("aria-pressed", "false");
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % clip.length; draw(); }, 66);
    button.textContent = "pause";
    button.setAttribute("aria-pressed", "true");
  });
  slider.addEventListener("input", () => { stop(); draw(); });
  draw();
});
