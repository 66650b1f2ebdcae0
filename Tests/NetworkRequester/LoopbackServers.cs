using System.Net;
using System.Net.Sockets;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>A destination on loopback; every connection has a thread of its own.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _accepted = [];
    private int _count;

    public LoopbackServer(Action<Socket> handler)
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(1024);
        var thread = new Thread(() =>
        {
            try
            {
                while (true)
                {
                    Socket socket = _listener.Accept();
                    lock (_accepted)
                        _accepted.Add(socket);
                    Interlocked.Increment(ref _count);
                    new Thread(() => Run(handler, socket), 256 << 10) { IsBackground = true }.Start();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The listener was disposed.
            }
        })
        { IsBackground = true };
        thread.Start();
    }

    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    public int Accepted => Volatile.Read(ref _count);

    /// <summary>Sends back whatever comes, then the end.</summary>
    public static void Echo(Socket socket)
    {
        byte[] buffer = new byte[16384];
        int read;
        while ((read = socket.Receive(buffer)) > 0)
        {
            for (int sent = 0; sent < read;)
                sent += socket.Send(buffer, sent, read - sent, SocketFlags.None);
        }

        socket.Dispose();
    }

    public static byte[] ReadToEnd(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[16384];
        int read;
        while ((read = socket.Receive(buffer)) > 0)
            all.Write(buffer, 0, read);
        return all.ToArray();
    }

    /// <summary>An address that refuses: nobody listens any more.</summary>
    public static IPEndPoint Nobody()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_accepted)
        {
            foreach (Socket socket in _accepted)
                socket.Dispose();
        }
    }

    private static void Run(Action<Socket> handler, Socket socket)
    {
        try
        {
            handler(socket);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The other side or the test is done.
        }
    }
}

/// <summary>A listener whose queue is full: connects to it hang.</summary>
internal sealed class SilentServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _fillers = [];

    public SilentServer()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(0);
        for (int i = 0; i < 8; i++)
        {
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _fillers.Add(filler);
            if (!filler.ConnectAsync(_listener.LocalEndPoint!).Wait(150))
                return;
        }

        Assert.Fail("the queue never filled");
    }

    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    public void Dispose()
    {
        foreach (Socket filler in _fillers)
            filler.Dispose();
        _listener.Dispose();
    }
}
