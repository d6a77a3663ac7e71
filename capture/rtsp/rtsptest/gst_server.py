"""GStreamer's RTSP server on loopback: gst_server.py LAUNCH [USER PASSWORD basic|digest] [tcp|udp] [CERTIFICATE_AND_KEY] [PORT]"""
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
launch, user, password, method, transport, certificate, port = sys.argv[1:8]
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port or "0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( " + launch + " )")
factory.set_shared(True)
if transport == "tcp":
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
elif transport == "udp":
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
if user or certificate:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    if not user:
        auth.set_default_token(token)
    elif method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
