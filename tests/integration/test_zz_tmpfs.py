import pytest
from tests.integration import test_full_disk as t
from tests.integration.test_full_disk import *
@pytest.fixture(autouse=True)
def _m(monkeypatch):
    monkeypatch.setattr(t,'_mount_file',lambda *a: False)
    real=t.sync_elsewhere
    def p(*a):
        r=real(*a); print(r[-150:]); return r
    monkeypatch.setattr(t,'sync_elsewhere',p)
