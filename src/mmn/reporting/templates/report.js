document.querySelectorAll(".class-table").forEach((table) => {
  const body = table.querySelector("tbody"), rows = [...body.rows];
  table.querySelectorAll("th button").forEach((button, column) => button.addEventListener("click", () => {
    const down = button.dataset.down !== "yes";
    const value = (row) => column ? parseFloat(row.cells[column].textContent) : row.cells[0].textContent;
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
