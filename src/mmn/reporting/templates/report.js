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

document.querySelectorAll(".class-table").forEach((table) => {
  const body = table.querySelector("tbody"), rows = [...body.rows];
  table.querySelectorAll("th button").forEach((button, column) => button.addEventListener("click", () => {
    const down = button.dataset.down !== "yes";
    const value = (row) => column ? Number(row.cells[column].textContent) : row.cells[0].textContent;
    button.dataset.down = down ? "yes" : "no";
    rows.sort((a, b) => (value(a) < value(b) ? -1 : 1) * (down ? -1 : 1)).forEach((row) => body.append(row));
  }));
});

document.querySelector("#filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  document.querySelectorAll(".class-table tbody tr").forEach((row) => {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
});
