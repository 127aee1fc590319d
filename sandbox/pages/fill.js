for (const b of document.querySelectorAll("button.pick")) {
  b.hidden = false;
  b.addEventListener("click", () => {
    document.getElementById("username").value = b.dataset.username;
    document.getElementById("password").value = b.dataset.password;
    document.getElementById("go").focus();
  });
}
