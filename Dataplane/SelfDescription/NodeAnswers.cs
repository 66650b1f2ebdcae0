using System.Net;

namespace FastExit.SelfDescription;

/// <summary>What one path answered: the status, null when nothing came, and <paramref name="Problem"/> then.</summary>
internal sealed record NodeAnswer(int? Status, byte[] Body, TimeSpan Took, string? Problem = null)
{
    public bool IsFound => Status == (int)HttpStatusCode.OK;
}

/// <summary>The answers that describe a node, as the network's API asks for them (mix-link.md §6.5): health first, then all others.</summary>
internal sealed class NodeAnswers
{
    /// <summary>How long the API waits for each.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int LongestBody = 4 << 20;
    private const int LongestHeaders = 32;

    private readonly Dictionary<string, NodeAnswer> _answers;

    private NodeAnswers(Dictionary<string, NodeAnswer> answers) => _answers = answers;

    public static IReadOnlyList<string> Paths { get; } =
    [
        "/health", "/host-information", "/roles", "/build-information", "/gateway/client-interfaces/mixnet-websockets", "/auxiliary-details",
        "/network-requester", "/network-requester/exit-policy", "/ip-packet-router", "/description",
    ];

    public NodeAnswer this[string path] => _answers[path];

    /// <summary>By the clock of the node; null where it does not say.</summary>
    public DateTimeOffset? Date { get; private init; }

    public TimeSpan Slowest => _answers.Values.Max(answer => answer.Took);

    /// <summary>What a node with these documents would answer.</summary>
    public static NodeAnswers From(NodeDocuments documents) => new(Paths.ToDictionary(path => path, path => documents.Find(path) is { } document
        ? new NodeAnswer((int)HttpStatusCode.OK, document.Read(), TimeSpan.Zero)
        : new NodeAnswer((int)HttpStatusCode.NotImplemented, [], TimeSpan.Zero)));

    /// <summary>These answers, one for each of <see cref="Paths"/>.</summary>
    public static NodeAnswers From(IEnumerable<(string Path, NodeAnswer Answer)> answers) => new(answers.ToDictionary(pair => pair.Path, pair => pair.Answer));

    /// <summary>What the node at <paramref name="url"/> answers.</summary>
    public static async Task<NodeAnswers> FetchAsync(Uri url, CancellationToken cancellation)
    {
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, MaxResponseHeadersLength = LongestHeaders, ConnectTimeout = Patience })
        {
            MaxResponseContentBufferSize = LongestBody,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        var root = new Uri(url.GetLeftPart(UriPartial.Authority) + NodeApi.Root);
        var (health, date) = await FetchAsync(client, root, Paths[0], cancellation).ConfigureAwait(false);
        var answers = new Dictionary<string, NodeAnswer> { [Paths[0]] = health };
        if (!health.IsFound)
            return new NodeAnswers(Paths.ToDictionary(path => path, path => path == Paths[0] ? health : new NodeAnswer(null, [], TimeSpan.Zero, "not asked"))) { Date = date };
        var others = Paths.Skip(1).Select(async path => (Path: path, (await FetchAsync(client, root, path, cancellation).ConfigureAwait(false)).Answer));
        foreach (var (path, answer) in await Task.WhenAll(others).ConfigureAwait(false))
            answers[path] = answer;
        return new NodeAnswers(answers) { Date = date };
    }

    private static async Task<(NodeAnswer Answer, DateTimeOffset? Date)> FetchAsync(HttpClient client, Uri root, string path, CancellationToken cancellation)
    {
        var time = TimeProvider.System;
        var begun = time.GetTimestamp();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            using var response = await client.GetAsync(new Uri(root + path), limit.Token).ConfigureAwait(false);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            return (new NodeAnswer((int)response.StatusCode, body, time.GetElapsedTime(begun)), response.Headers.Date);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return (new NodeAnswer(null, [], time.GetElapsedTime(begun), $"no answer within {Patience.TotalSeconds:0} s"), null);
        }
        catch (HttpRequestException error)
        {
            return (new NodeAnswer(null, [], time.GetElapsedTime(begun), (error.InnerException ?? error).Message.TrimEnd('.')), null);
        }
    }
}
