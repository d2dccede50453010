(function () {
  'use strict';
  var all = function (q, root) { return Array.prototype.slice.call((root || document).querySelectorAll(q)); };
  var text = new WeakMap();
  function lower(el) {
    var t = text.get(el);
    if (t === undefined) { t = el.textContent.toLowerCase(); text.set(el, t); }
    return t;
  }
  all('.tools').forEach(function (tools) {
    var section = tools.closest('section'), items = all('[data-row]', section);
    var input = tools.querySelector('input'), level = tools.querySelector('select'), shown = tools.querySelector('.shown');
    var toggle = tools.querySelector('button');
    function apply() {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean), least = level ? +level.value : 0, n = 0;
      items.forEach(function (el) {
        var t = words.length ? lower(el) : '';
        var ok = +(el.getAttribute('data-level') || 9) >= least && words.every(function (w) { return t.indexOf(w) >= 0; });
        el.hidden = !ok;
        if (ok) { n++; }
      });
      shown.textContent = n + ' / ' + items.length + ' ' + shown.getAttribute('data-word');
    }
    var timer = 0;
    input.addEventListener('input', function () { clearTimeout(timer); timer = setTimeout(apply, 80); });
    input.addEventListener('keydown', function (e) { if (e.key === 'Escape') { input.value = ''; apply(); input.blur(); } });
    if (level) { level.addEventListener('change', apply); }
    if (toggle) {
      toggle.addEventListener('click', function () {
        var open = toggle.getAttribute('aria-pressed') !== 'true';
        items.forEach(function (el) { if (!el.hidden) { el.open = open; } });
        toggle.setAttribute('aria-pressed', String(open));
        toggle.textContent = toggle.getAttribute(open ? 'data-close' : 'data-open');
      });
    }
    tools.hidden = false;
    apply();
  });
  function reveal() {
    var el = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (el && el.tagName === 'DETAILS') { el.hidden = false; el.open = true; el.scrollIntoView({ block: 'start' }); }
  }
  window.addEventListener('hashchange', reveal);
  all('svg a').forEach(function (a) { a.addEventListener('click', function () { setTimeout(reveal, 0); }); });
  document.addEventListener('keydown', function (e) {
    var typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName);
    if (typing || e.ctrlKey || e.metaKey || e.altKey) { return; }
    if (e.key === '/') {
      var input = document.querySelector('#signals .tools input');
      if (input) { e.preventDefault(); input.scrollIntoView({ block: 'center' }); input.focus(); }
    } else if (e.key === 'j' || e.key === 'k') {
      var rows = all('.g').filter(function (el) { return !el.hidden; });
      var at = rows.indexOf(document.activeElement && document.activeElement.closest ? document.activeElement.closest('.g') : null);
      var next = rows[e.key === 'j' ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0)];
      if (next) { next.querySelector('summary').focus(); }
    }
  });
  reveal();
}());
