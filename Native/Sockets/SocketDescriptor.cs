using FastExit.Native.Memory;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Sockets;

/// <summary>
/// Owns one socket file descriptor and closes it on <see cref="Dispose"/>. TCP sockets made here carry TCP_NODELAY
/// and SO_KEEPALIVE; sockets accepted from a listener inherit both.
/// </summary>
public sealed unsafe class SocketDescriptor : IDisposable
{
    // IP_BIND_ADDRESS_NO_PORT; IPv6 sockets take it too.
    private const int BindAddressNoPort = 24;

    private int fd;

    private SocketDescriptor(int fd) => this.fd = fd;

    /// <summary>-1 once disposed.</summary>
    public int Fd => fd;

    /// <summary>
    /// A non-blocking listener, address reuse on. <c>[::]</c> also takes IPv4 connections (IPV6_V6ONLY off).
    /// </summary>
    /// <param name="address">Port 0 lets the kernel choose; <paramref name="bound"/> says which.</param>
    /// <param name="backlog">Connections that may wait to be accepted, capped by net.core.somaxconn.</param>
    /// <param name="reusePort">SO_REUSEPORT: every core binds its own listener to one port and the kernel spreads
    /// connections over them.</param>
    /// <param name="bound">The address with its real port.</param>
    /// <exception cref="NativeException">Names the address, the errno and the mend.</exception>
    public static SocketDescriptor ListenTcp(
        EndpointAddress address, int backlog, bool reusePort, out EndpointAddress bound)
    {
        int error = TryCreateTcp(address.IsIPv6, out SocketDescriptor? created);
        if (created is null)
            throw new NativeException($"creating a TCP socket to listen on {address}", error, ResourceMend.For(error));

        try
        {
            created.SetOption(SOL_SOCKET, SO_REUSEADDR, 1);
            if (reusePort)
                created.SetOption(SOL_SOCKET, SO_REUSEPORT, 1);
            if (address.IsIPv6)
                created.SetOption(IPPROTO_IPV6, IPV6_V6ONLY, 0);
            created.Bind(address);
            if (listen(created.fd, backlog) < 0)
                throw BindFailure("listening on", errno, address);
            if (fcntl(created.fd, F_SETFL, fcntl(created.fd, F_GETFL) | O_NONBLOCK) < 0)
            {
                error = errno;
                throw new NativeException($"making the listener on {address} non-blocking", error, null);
            }

            bound = created.LocalAddress();
            return created;
        }
        catch
        {
            created.Dispose();
            throw;
        }
    }

    /// <summary>An unconnected TCP socket, close-on-exec, TCP_NODELAY and SO_KEEPALIVE set.</summary>
    /// <returns>0, or the errno (EMFILE, ENFILE, EAFNOSUPPORT …) with a null socket.</returns>
    public static int TryCreateTcp(bool ipv6, out SocketDescriptor? socket)
    {
        int created = CreateTcp(ipv6);
        socket = created < 0 ? null : new SocketDescriptor(created);
        return created < 0 ? -created : 0;
    }

    /// <returns>The descriptor, or -errno.</returns>
    internal static int CreateTcp(bool ipv6)
    {
        int fd = LibC.socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return -errno;

        int one = 1;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(int)) < 0
            || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(int)) < 0)
        {
            int error = errno;
            _ = close(fd);
            return -error;
        }

        return fd;
    }

    /// <summary>
    /// Gives an unconnected socket its source address; the kernel chooses the port when it connects, so that one address serves many peers.
    /// </summary>
    /// <returns>0, or the errno: EADDRNOTAVAIL when the address is not of this host.</returns>
    public int TryBindSource(EndpointAddress address)
    {
        int one = 1;
        if (setsockopt(fd, IPPROTO_IP, BindAddressNoPort, &one, sizeof(int)) < 0)
            return errno;
        byte* buffer = stackalloc byte[EndpointAddress.MaximumSocketAddressBytes];
        int length = address.WithPort(0).WriteSocketAddress(new Span<byte>(buffer, EndpointAddress.MaximumSocketAddressBytes));
        return bind(fd, (sockaddr*)buffer, length) < 0 ? errno : 0;
    }

    public EndpointAddress LocalAddress()
    {
        byte* buffer = stackalloc byte[EndpointAddress.MaximumSocketAddressBytes];
        socklen_t length = EndpointAddress.MaximumSocketAddressBytes;
        if (getsockname(fd, (sockaddr*)buffer, &length) < 0)
            throw new NativeException("reading a socket's own address", errno, null);
        return EndpointAddress.ReadSocketAddress(
            new ReadOnlySpan<byte>(buffer, EndpointAddress.MaximumSocketAddressBytes));
    }

    /// <summary>Whom an ordinary descriptor's socket is connected with; false: nobody any more.</summary>
    internal static bool TryPeerAddress(int fd, out EndpointAddress peer)
    {
        byte* buffer = stackalloc byte[EndpointAddress.MaximumSocketAddressBytes];
        socklen_t length = EndpointAddress.MaximumSocketAddressBytes;
        bool known = getpeername(fd, (sockaddr*)buffer, &length) == 0;
        peer = known
            ? EndpointAddress.ReadSocketAddress(new ReadOnlySpan<byte>(buffer, EndpointAddress.MaximumSocketAddressBytes))
            : default;
        return known;
    }

    public void Dispose()
    {
        int closing = Interlocked.Exchange(ref fd, -1);
        if (closing >= 0)
            _ = close(closing);
    }

    private void Bind(EndpointAddress address)
    {
        byte* buffer = stackalloc byte[EndpointAddress.MaximumSocketAddressBytes];
        int length = address.WriteSocketAddress(new Span<byte>(buffer, EndpointAddress.MaximumSocketAddressBytes));
        if (bind(fd, (sockaddr*)buffer, length) < 0)
            throw BindFailure("binding", errno, address);
    }

    private void SetOption(int level, int option, int value)
    {
        if (setsockopt(fd, level, option, &value, sizeof(int)) < 0)
        {
            int error = errno;
            throw new NativeException($"setting socket option {level}/{option}", error, null);
        }
    }

    // Called with errno as it stands: composing a message first may overwrite it.
    private static NativeException BindFailure(string what, int error, EndpointAddress address) =>
        new($"{what} {address}", error, BindMend(error, address));

    private static string? BindMend(int error, EndpointAddress address) => error switch
    {
        Errno.EADDRINUSE =>
            $"Something already listens on port {address.Port}: stop it (`ss -ltnp` names it) or choose another port.",
        Errno.EACCES =>
            $"Port {address.Port} is privileged: run with CAP_NET_BIND_SERVICE or choose a port of 1024 or above.",
        Errno.EADDRNOTAVAIL => "The address belongs to no interface of this host: choose one that `ip addr` lists.",
        _ => ResourceMend.For(error),
    };
}
