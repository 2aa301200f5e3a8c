function t(t){const e=t.dataset?.else;e&&t.getAttribute("src")!==e&&(t.src=e)}document.addEventListener("error",e=>t(e.target),!0);for(const e of document.images)e.complete&&!e.naturalWidth&&t(e);
