// Sets the chosen colours before anything is drawn; a module would come too late and flash.
try {
  const chosen = localStorage.getItem("sealpost-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the system's colours stay.
}
