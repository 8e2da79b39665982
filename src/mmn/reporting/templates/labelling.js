const table = JSON.parse(document.querySelector("#table").textContent);
const choices = [...document.querySelectorAll(".choice")];
const chosen = (choice) => {
  const typed = choice.querySelector("input[type=search]").value.trim();
  return typed || (choice.querySelector("input:checked") || { value: "" }).value;
};
// Quoted if CSV needs it, or if a spreadsheet would evaluate the text as a formula.
const cell = (value) => {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csv = () => {
  const label = table.columns.indexOf("label"), rows = table.rows.map((row) => [...row]);
  choices.forEach((choice) => {
    const row = rows[Number(choice.dataset.row)];
    row[label] = chosen(choice) || row[label];
  });
  return [table.columns, ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
};
document.addEventListener("input", () => {
  document.querySelector("#chosen").value = choices.filter(chosen).length;
});
document.querySelector("#save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
