"""Every URL: the declared pages, the endpoints under /api/, and the admin's own under /admin/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from opsconsole.api import base as api
from opsconsole.pages import urls as pages

urlpatterns = [path("admin/", admin.site.urls), *pages.patterns(), *api.routes()]

handler400 = "opsconsole.pages.errors.bad_request"
handler403 = "opsconsole.pages.errors.forbidden"
handler404 = "opsconsole.pages.errors.not_found"
handler500 = "opsconsole.pages.errors.broken"
